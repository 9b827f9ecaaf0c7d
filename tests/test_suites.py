"""Every suite composes, and every one of its methods can be planned and costs what its budget allows."""

import math

import pytest

from harness.errors import UnfitError, UsageError
from harness.plan import grid
from harness.plan.planned import plan
from methods import methods

SPARSE = [0.9, 0.95, 0.98]
FIELD = [0.5, 0.8, 0.9, 0.95, 0.98]
SUITES = {  # tables, sparsities, seeds
    "cifar10": (2, SPARSE, 3),
    "cifar100": (2, SPARSE, 3),
    "cifar10_resnet20": (1, [0.9, 0.95], 3),
    "deploy": (3, SPARSE, 1),
    "equal_flops": (3, SPARSE, 3),
    "fashion_mnist": (1, SPARSE, 3),
    "fashion_mnist_cpu": (1, SPARSE, 3),
    "field_cpu": (1, FIELD, 5),
    "field_mlp": (1, FIELD, 5),
    "field_mnist": (1, FIELD, 5),
    "imagenet": (1, [0.8, 0.9], 3),
    "imagenet_rigl": (1, [0.8, 0.9], 3),
    "language": (1, [0.3, 0.5, 0.8, 0.9, 0.95], 3),
    "language_cpu": (1, [0.3, 0.5, 0.8, 0.9, 0.95], 3),
    "rewinding": (1, [1 - 0.8**rounds for rounds in range(1, 18)], 3),
    "signal_cpu": (1, [0.3, 0.5, 0.8, 0.9, 0.95], 3),
    "smoke": (1, [0.9], 3),
    "vit": (1, [0.3, 0.5, 0.8, 0.9, 0.95], 3),
    "vit_cpu": (1, [0.3, 0.5, 0.8, 0.9, 0.95], 3),
}
CHOSEN = {
    "cifar10_resnet20": ["dense", "small_dense", "static", "snip", "set", "rigl", "gmp", "granet"],
    "deploy": ["static"],
    "rewinding": ["dense", "gmp", "lth_rewind", "lr_rewind"],
}
"""Methods of the suites that do not train all."""


def has(suite, method, sparsity):
    """Whether a suite of all methods trains a method: N:M has few sparsities, FLOPs buy all nets the same.

    GraSP probes samples of each class, which a text has not.
    """
    if method == "sr_ste":
        return sparsity in (0.5, 0.75, 0.875, 0.9375)
    return method != {"equal_flops": "short_dense", "language": "grasp", "language_cpu": "grasp"}.get(suite)


def test_no_suite_is_missing_here():
    assert grid.names() == sorted(SUITES)


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_composes_and_plans(name):
    tables, sparsities, seeds = SUITES[name]
    of_suite = CHOSEN.get(name) or sorted(methods())
    # Dense counts once, whatever the sparsity.
    cells = {(one, s if methods()[one].masked else 0) for one in of_suite for s in sparsities if has(name, one, s)}
    told = []
    runs = plan(grid.runs(name, [], told.append))
    assert len(runs) == tables * len(cells) * seeds
    assert {planned.run.method.name for planned in runs} == {method for method, _ in cells}
    assert all(line.startswith("left out ") for line in told)
    sparsest = max(planned.run.sparsity for planned in runs)
    for planned in runs:
        if planned.run.seed == 0 and planned.run.sparsity in (0, sparsest):
            _check(planned.run, planned.entry())


def _check(run, entry):
    sizes = [math.prod(layer["shape"]) for layer in entry["layers"]]
    kept = sum(layer["density"] * size for layer, size in zip(entry["layers"], sizes, strict=True))
    pattern = run.method.pattern(1 - run.sparsity)
    if run.method.exact and pattern is None:
        assert kept == pytest.approx((1 - run.sparsity) * sum(sizes), abs=1.51)  # one from the nearest whole number
    ratio = entry["train_flops_ratio"]
    if run.budget.kind == "flops":
        assert ratio == pytest.approx(run.budget.amount, rel=0.005)  # to the step
    elif run.budget.rounds == "each" and run.method.rewinding(1 - run.sparsity):
        assert ratio > 2
    elif run.method.exact:
        assert ratio == 1 if run.method.name == "dense" else ratio < 1
    else:
        assert ratio <= 1


def test_a_method_that_is_named_is_not_left_out():
    assert "sr_ste" not in {run.method.name for run in grid.runs("smoke", ["seed=0"], lambda line: None)}
    with pytest.raises(ValueError, match="sparsity"):
        list(grid.runs("smoke", ["seed=0", "method=[sr_ste]"]))


def suite_of(tmp_path, monkeypatch, text):
    folder = tmp_path / "benchmarks" / "suite"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("base: {dataset: digits, device: cpu, runner: local}\n" + text)
    monkeypatch.chdir(tmp_path)


def cells(*overrides, told=None):
    found = grid.runs("mine", list(overrides), (told if told is not None else []).append)
    return [(run.seed, run.sparsity, run.method.name, run.recipe.lr) for run in found]


UNION = """
grid:
  - {method: dense, recipe.lr: [0.01, 0.1], seed: [0, 1]}
  - {method: [static, rigl], sparsity: [0.9, 0.95], seed: [0, 1]}
  - {method: rigl, sparsity: [0.95, 0.98], seed: 0}
"""


def test_a_suite_is_the_union_of_its_grids_each_run_once_and_seeds_outermost(tmp_path, monkeypatch):
    suite_of(tmp_path, monkeypatch, UNION)
    found = cells()
    both = [(0.0, "dense", 0.01), (0.0, "dense", 0.1)]
    both += [(sparsity, method, 0.1) for sparsity in (0.9, 0.95) for method in ("static", "rigl")]
    assert found == [(0, *run) for run in (*both, (0.98, "rigl", 0.1))] + [(1, *run) for run in both]


def test_an_override_of_an_axis_of_any_grid_replaces_it_in_all(tmp_path, monkeypatch):
    suite_of(tmp_path, monkeypatch, UNION)
    found = cells("seed=3", "sparsity=[0.5,0.8]", "recipe.lr=0.2", "method=set")
    assert found == [(3, 0.5, "set", 0.2), (3, 0.8, "set", 0.2)]


def test_a_method_that_one_grid_names_is_not_left_out_of_the_other(tmp_path, monkeypatch):
    suite_of(tmp_path, monkeypatch, "grid: [{method: baseline, sparsity: 0.9}, {method: sr_ste, sparsity: 0.9}]")
    with pytest.raises(UnfitError, match="sr_ste"):
        cells()


def test_an_axis_of_what_dense_does_not_use_trains_it_once(tmp_path, monkeypatch):
    axes = "grid: {method: [dense, static], method.distribution: [erk, uniform], sparsity: [0.5, 0.9], seed: 0}"
    suite_of(tmp_path, monkeypatch, axes)
    runs = plan(grid.runs("mine", []))
    assert sorted((run.run.method.name, run.run.method.distribution) for run in runs) == [
        ("dense", "erk"),
        *(2 * [("static", "erk")]),
        *(2 * [("static", "uniform")]),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grid: []", "a list of such grids"),
        ("grid: [rigl]", "a list of such grids"),
        ("grid: [{method: rigl}, {seed: []}]", "the list seed of grid is empty"),
        ("grid: {method: rigl}\nmore: 1", "a list of such grids"),
    ],
)
def test_what_is_no_suite_is_refused(tmp_path, monkeypatch, text, said):
    suite_of(tmp_path, monkeypatch, text)
    with pytest.raises(UsageError, match=said):
        cells()
