"""(f) Images a second of the harness on an H100 against what its arithmetic and memory allow (PERFORMANCE.md)."""

from typing import NamedTuple

import pytest
import torch
from conftest import CUDA
from pytest_benchmark.fixture import BenchmarkFixture
from test_harness import configured, harness_steps


class Case(NamedTuple):
    """A net, its images/s at 60 % of 989 TFLOP/s or 85 % of 3.35 TB/s, whichever is less, and the share to reach."""

    net: str
    bound: int
    at_least: float


CASES = [
    Case("resnet20", 507_000, 0.2),
    Case("vgg19", 248_000, 0.45),
    Case("resnet50_cifar", 29_600, 0.5),
]
STEPS = 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.net)
def test_images_a_second_against_the_bound(benchmark: BenchmarkFixture, case: Case) -> None:
    if not CUDA or "H100" not in torch.cuda.get_device_name():
        pytest.skip("the bounds are those of an H100")
    run = configured(case.net)
    steps = harness_steps(run, STEPS)

    def timed() -> None:
        steps()
        torch.cuda.synchronize()

    benchmark.pedantic(timed, rounds=10, warmup_rounds=1)
    images = STEPS * run.recipe.batch_size / benchmark.stats.stats.median
    benchmark.extra_info.update(
        name=f"harness images/s / bound of the H100, {case.net}",
        ratio=images / case.bound,
        value=images,
        baseline=case.bound,
        unit="images/s",
        target=("at least", case.at_least),
    )
