"""Every suite composes, and every one of its methods can be planned and costs what its budget allows."""

import math

import pytest

from harness.plan import grid as suite
from harness.plan import price as plan
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
    assert suite.names() == sorted(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_a_suite_composes_and_plans(name):
    runs = suite.runs(name, [])
    assert len(runs) == RUNS[name]
    expected = ["dense", "gmp", "lth_rewind", "lr_rewind"] if name == "rewinding" else methods()
    assert {run.method.name for run in runs} >= set(expected)
    sparsest = max(run.sparsity for run in runs)
    for run in runs:
        if run.seed == 0 and run.sparsity in (0, sparsest):
            _check(run, plan.entry(run))


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
