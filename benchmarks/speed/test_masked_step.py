"""(a) What masking costs on an ordinary step: the harness's whole step at 90 % sparsity and dense."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import pytest
from conftest import CUDA, Compare
from test_harness import configured, harness_steps

NETS = 4
"""Nets of each kind, which take turns: two alike differ by up to half a per cent for where their tensors lie."""

STEPS_ON_CUDA = 50


class Case(NamedTuple):
    """A net, the steps of one timing (long enough for the clock), timings and what the ratio should be."""

    net: str
    steps: int
    rounds: int
    at_most: float


CASES = [
    Case("mlp", 40, 400, 1.03),
    pytest.param(Case("resnet20", 1, 100, 1.02 if CUDA else 1.01), marks=pytest.mark.slow),
    pytest.param(Case("vgg19", 1, 80, 1.01), marks=pytest.mark.slow),
    pytest.param(
        Case("resnet50", 1, 20, 1.01),
        marks=[pytest.mark.slow, pytest.mark.skipif(not CUDA, reason="128 images of ImageNet's size a step: on CUDA")],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.net)
def test_masked_step(compare: Compare, case: Case) -> None:
    steps = STEPS_ON_CUDA if CUDA else case.steps

    def in_turns(method: str) -> Callable[[], None]:
        run = configured(case.net, method=method)
        nets = itertools.cycle([harness_steps(run, steps) for _ in range(NETS)])

        def step() -> None:
            next(nets)()

        return step

    compare(
        f"masked step / dense step, {case.net}",
        in_turns("static"),
        in_turns("dense"),
        rounds=case.rounds,
        times=steps,
        target=("at most", case.at_most),
        threads=configured(case.net).recipe.threads,
    )
