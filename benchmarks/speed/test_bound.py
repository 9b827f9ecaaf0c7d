"""(f) Images a second of the harness on an H100 against what its arithmetic and memory allow (PERFORMANCE.md)."""

from typing import NamedTuple

import pytest
import torch
from conftest import CUDA
from pytest_benchmark.fixture import BenchmarkFixture
from test_harness import configured, harness_steps

from harness.executors import packing


class Case(NamedTuple):
    """A net, its images/s at 60 % of 989 TFLOP/s or 85 % of 3.35 TB/s, whichever is less, and the share to reach."""

    net: str
    bound: int
    at_least: float


CASES = [
    Case("resnet20", 507_000, 0.2),
    Case("vgg19", 248_000, 0.45),
    Case("resnet50_cifar", 29_600, 0.5),
    Case("resnet50", 9_100, 0.4),
]
STEPS = 100
PACKED = Case("resnet20", 507_000, 0.5)

# An H200 computes as an H100 does; its memory is faster, so that it may come closer to what bounds an H100.
pytestmark = pytest.mark.skipif(
    not CUDA or not any(name in torch.cuda.get_device_name() for name in ("H100", "H200")),
    reason="the bounds are those of an H100",
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.net)
def test_images_a_second_against_the_bound(benchmark: BenchmarkFixture, case: Case) -> None:
    run = configured(case.net)
    steps = harness_steps(run, STEPS)

    def timed() -> None:
        steps()
        torch.cuda.synchronize()

    benchmark.pedantic(timed, rounds=10, warmup_rounds=1)
    images = STEPS * run.recipe.batch_size / benchmark.stats.stats.median
    _tell(benchmark, f"harness images/s / bound of the H100, {case.net}", case, images)


def test_images_a_second_of_packed_runs_against_the_bound(benchmark: BenchmarkFixture) -> None:
    found = benchmark.pedantic(packing.best, args=(configured(PACKED.net),), rounds=1)
    images = max(found.samples_per_second.values(), default=0.0)
    _tell(benchmark, f"images/s of {found.jobs} runs at a time / bound of the H100, {PACKED.net}", PACKED, images)


def _tell(benchmark: BenchmarkFixture, name: str, case: Case, images: float) -> None:
    benchmark.extra_info.update(
        name=name,
        ratio=images / case.bound,
        value=images,
        baseline=case.bound,
        unit="images/s",
        target=("at least", case.at_least),
    )
