"""Every suite composes, and every one of its methods can be planned and costs what its budget allows."""

import math

import pytest

from harness.plan import grid
from harness.plan.planned import plan
from methods import methods

RUNS = {  # methods x sparsities x seeds and more; dense counts once, whatever the sparsity
    "cifar10": 2 * (11 * 3 + 1) * 3,
    "cifar100": 2 * (11 * 3 + 1) * 3,
    "equal_flops": 3 * (11 * 3 + 1) * 3,
    "fashion_mnist": (11 * 3 + 1) * 3,
    "fashion_mnist_cpu": (11 * 3 + 1) * 3,
    "imagenet": (11 * 2 + 1) * 3,
    "imagenet_rigl": (11 * 2 + 1) * 3,
    "rewinding": (3 * 17 + 1) * 3,
    "smoke": 12 * 3,
}


def test_no_suite_is_missing_here():
    assert grid.names() == sorted(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_a_suite_composes_and_plans(name):
    runs = plan(grid.runs(name, []))
    assert len(runs) == RUNS[name]
    expected = ["dense", "gmp", "lth_rewind", "lr_rewind"] if name == "rewinding" else methods()
    assert {planned.run.method.name for planned in runs} >= set(expected)
    sparsest = max(planned.run.sparsity for planned in runs)
    for planned in runs:
        if planned.run.seed == 0 and planned.run.sparsity in (0, sparsest):
            _check(planned.run, planned.entry())


def _check(run, entry):
    sizes = [math.prod(layer["shape"]) for layer in entry["layers"]]
    kept = sum(layer["density"] * size for layer, size in zip(entry["layers"], sizes, strict=True))
    assert kept == pytest.approx((1 - run.sparsity) * sum(sizes), abs=1.51)  # one from the nearest whole number
    ratio = entry["train_flops_ratio"]
    if run.budget.kind == "flops":
        assert ratio == pytest.approx(run.budget.amount, rel=0.005)  # to the step
    elif run.budget.rounds == "each" and run.method.rewinding(1 - run.sparsity):
        assert ratio > 2
    else:
        assert ratio == 1 if run.method.name == "dense" else ratio < 1
