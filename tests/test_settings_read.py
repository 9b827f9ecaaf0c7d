"""A setting that a method does not read makes no second row of equal runs: it is refused by name."""

import pytest
from runs import METHODS, same, small, train
from test_suites import cells, suite_of

from harness import config
from harness.errors import UnfitError, UsageError
from methods import methods

MASKED = [name for name in METHODS if methods()[name].masked]
CHANGED = {"distribution": "uniform_all", "interval": 3}


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("setting", CHANGED)
def test_what_is_said_not_to_be_read_changes_nothing(name, setting):
    run = small(name, "steps:24")
    if setting not in run.method.unread() or (setting == "interval" and name in ("one_shot", "cyclic")):
        return  # these two refuse any interval themselves
    other = small(name, "steps:24", **{setting: CHANGED[setting]})
    if name == "small_dense":
        return  # its width, which is solved before, is all that it is
    assert same(train(run), train(other))


@pytest.mark.parametrize("name", ["static", "set", "granet", "snfs", "mest", "top_kast", "srigl", "lth", "random_init"])
def test_what_is_said_to_be_read_changes_the_run(name):
    run, other = small(name, "steps:4"), small(name, "steps:4", distribution="balanced")
    assert "distribution" not in run.method.unread()
    if name == "lth":
        shapes = [(8, 4), (8, 8), (4, 8)]
        assert run.method.layer_densities(shapes, 0.5) != other.method.layer_densities(shapes, 0.5)
        return
    assert not same(train(run), train(other))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "method=gmp method.distribution=uniform",
            "'gmp', which reads interval, init_density, prune_start, prune_end: leave it out",
        ),
        ("method=one_shot method.distribution=er", "method.distribution er changes nothing of method 'one_shot'"),
        ("method=snip method.distribution=uniform", "'snip', which reads shuffle, reinit, batches: leave it out"),
        ("method=cyclic method.init=snip method.distribution=er", "method.distribution er changes nothing"),
        ("method=static method.interval=50", "method.interval 50 changes nothing of method 'static'"),
        ("method=static method.interval=50", "which reads distribution: leave it out"),
        ("method=snip method.interval=50", "method.interval 50 changes nothing of method 'snip'"),
        ("method=one_shot method.interval=1epoch", "method.interval 1epoch changes nothing of method 'one_shot'"),
        ("method=static recipe.methods.static.interval=5", "method.interval 5 changes nothing of method 'static'"),
    ],
)
def test_a_setting_that_is_not_read_is_refused_by_name(given, said):
    with pytest.raises(UnfitError) as refused:
        config.resolve(["dataset=digits", "model=mlp", "recipe=digits", *given.split()])
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        "method=gmp method.distribution=erk",
        "method=gmp method.init_density=0.5 method.distribution=uniform_all",
        "method=gmp_uniform method.distribution=erk",
        "method=cyclic method.distribution=uniform",
        "method=random_init method.distribution=erk",
        "method=static method.interval=0",
        "method=granet method.distribution=er sparsity=0",
        "method=small_dense method.distribution=er",
        "method=dense method.distribution=er method.interval=5",
    ],
)
def test_one_that_is_read_or_has_its_default_is_not(given):
    config.resolve(["dataset=digits", "model=mlp", "recipe=digits", *given.split()])


def test_a_suite_leaves_them_out_of_groups_and_refuses_a_method_that_it_names(tmp_path, monkeypatch):
    axes = "sparsity: 0.9, seed: 0, method.distribution: [erk, uniform_all]"
    suite_of(tmp_path / "0", monkeypatch, f"grid: {{method: gradual_pruning, {axes}}}")
    told = []
    found = sorted((run.method.name, run.method.distribution) for run in grid_runs(told))
    assert found == [
        ("gmp", "erk"),
        ("gmp_uniform", "erk"),
        ("gmp_uniform", "uniform_all"),
        ("one_shot", "erk"),
        ("random_pruning", "erk"),
    ]
    assert [line.partition(":")[0] for line in told] == [
        f"left out method={name} sparsity=0.9 method.distribution=uniform_all"
        for name in ("gmp", "one_shot", "random_pruning")
    ]
    suite_of(tmp_path / "1", monkeypatch, "grid: {method: all, sparsity: 0.5, seed: 0, method.interval: 7}")
    assert {run.method.name for run in grid_runs([])} == {
        "dense",
        *(name for name in MASKED if methods()[name].interval),
    }
    suite_of(tmp_path / "2", monkeypatch, f"grid: {{method: [gmp, set], {axes}}}")
    with pytest.raises(UnfitError, match="changes nothing of method 'gmp'"):
        cells()


def grid_runs(told):
    from harness.plan import grid

    return list(grid.runs("mine", [], told.append))


def test_a_plug_in_reads_all_settings_unless_it_says_otherwise(tmp_path):
    text = """
from sparsebench import Method

class {}(Method):
    def unread(self):
        return {}
"""
    answers = (
        ("()", ""),
        (
            '("interval",)',
            "method.interval 5 changes nothing of method 'Mine1', which reads distribution: leave it out",
        ),
        ("1 / 0", "ZeroDivisionError"),
    )
    for number, (line, said) in enumerate(answers):
        path = tmp_path / f"mine{number}.py"
        path.write_text(text.format(f"Mine{number}", line))
        given = ["dataset=digits", "model=mlp", "recipe=digits", f"method={path}:Mine{number}", "method.interval=5"]
        if not said:
            assert config.resolve(given).method.interval == 5
            continue
        with pytest.raises(UsageError) as refused:
            config.resolve(given)
        assert said in str(refused.value)


def test_tune_refuses_a_range_of_one_before_it_trains():
    from harness.tuning import apply

    run = config.resolve(["dataset=digits", "model=mlp", "recipe=digits", "method=gmp"])
    with pytest.raises(UsageError, match=r"method\.distribution uniform changes nothing of method 'gmp'"):
        apply.with_settings(run, {"method.distribution": "uniform"})
