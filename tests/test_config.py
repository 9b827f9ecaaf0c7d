"""Overrides: read, typed, composed and checked, each kind of slip answered in one line."""

import dataclasses
import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness import config
from harness.cli import tables
from harness.config import compose, names, values
from harness.config.schema import APPLIED, RunConfig
from harness.errors import UnfitError, UsageError
from harness.places import ROOT
from harness.records import identity
from harness.vocabulary import TRACKERS
from methods import Method, Probe, methods
from methods.parts.patterns import Pattern

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def refusal(*overrides):
    with pytest.raises(UsageError) as refused:
        config.resolve(list(overrides))
    (line,) = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sparsity=95", "did you mean 0.95?"),
        ("budget=5", "did you mean epochs:5?"),
        ("budget=epochs=5", "did you mean epochs:5?"),
        ("budget=flops 0.5x2", "did you mean flops:0.5x2?"),
        ("budget=flop:1", "did you mean 'flops'?"),
        ("lr=0.1", "did you mean 'recipe.lr'?"),
        ("interval=5", "did you mean 'method.interval'?"),
        ("sparsityy=0.5", "did you mean 'sparsity'?"),
        ("recipe.lrr=1", "did you mean 'lr'?"),
        ("METHOD=rigl", "did you mean 'method'?"),
        ("method=RigL", "did you mean 'rigl'?"),
        ("method=granett", "did you mean 'granet'?"),
        ("rigl", "did you mean method=rigl?"),
        ("cifar10", "did you mean dataset=cifar10?"),
    ],
)
def test_a_slip_is_told_what_was_probably_meant(override, said):
    assert said in refusal(override)


@pytest.mark.parametrize("override", ["method=lottery", "dataset=penguins", "xyz=1", "model=transformer"])
def test_what_is_not_near_gets_no_suggestion_but_the_list(override):
    line = refusal(override)
    assert "allowed are" in line
    assert "did you mean" not in line


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed=many", "seed='many' is not a whole number"),
        ("seed=1.5", "not a whole number"),
        ("seed=" + "9" * 5000, "not a whole number"),
        ("seed=[0,1]", "a run has one value, a suite takes a list"),
        ("method=[rigl,set]", "a run has one method, a suite takes a list"),
        ("method=rigl,set", "a run has one method, a suite takes a list"),
        ("sparsity=0,9", "not a number"),
        ("sparsity=90%", "did you mean 0.9?"),
        ("sparsity=1_0", "not a number"),
        ("dense_layers=[a", "write dense_layers=[a]"),
        ("graph=maybe", "not true or false or null"),
        ("dataset.shape=3", "write dataset.shape=[3]"),
        ("dataset.shape=[3,8,x]", "dataset.shape='x' is not a whole number"),
        ("dataset.shape=[[3]]", "is not a list such as [a,b]"),
        ("recipe.milestones=0.5", "write recipe.milestones=[0.5]"),
        ("recipe.threads=two", "not a whole number or null"),
        ("method.interval=x", "method.interval='x' is not a whole number"),
    ],
)
def test_a_value_of_another_type_is_explained_in_plain_words(override, said):
    assert said in refusal(override)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sparsity", "name=value"),
        ("=1", "name=value"),
        ("+sparsity=1", "settings are changed, not added or removed"),
        ("~method=rigl", "settings are changed, not added or removed"),
        ("model@x=mlp", "not an override"),
        ("hydra.run.dir=x", "hydra.run.dir is a setting of Hydra"),
        ("method.name=set", "choose the method with method=NAME"),
        ("plugins.method=x", "plugins cannot be set"),
        ("recipe.methods.rigl.intervall=3", "did you mean 'interval'?"),
        ("recipe.methods.riggl.interval=3", "did you mean 'rigl'?"),
    ],
)
def test_what_is_no_setting_of_a_run_is_refused(override, said):
    assert said in refusal(override)


@pytest.mark.parametrize("name", ["output", "seed", "sparsity", "dataset.root", "runner.image", "recipe.lr"])
def test_an_empty_value_is_refused(name):
    assert f"{name}= is empty" in refusal(f"{name}=")


@pytest.mark.parametrize("name", ["recipe.threads", "workers"])
def test_more_threads_or_processes_than_the_machine_can_bear_are_refused(name):
    assert f"({os.cpu_count()} cores here)" in refusal(f"{name}=100000")
    assert f"{name} -1" in refusal(f"{name}=-1")
    assert config.resolve(["recipe.threads=1", "workers=0"]).workers == 0


@pytest.mark.parametrize("name", ["output", "dataset.root", "runner.image", "runner.gpu"])
@given(text=TEXT)
@example(text="${a}")
@example(text=r"\${")
@settings(max_examples=60, deadline=None)
def test_a_text_is_taken_as_it_stands(name, text):
    if text.lower() == "null" or not text.strip():
        return
    run = config.resolve([f"{name}={text}"])
    for part in name.split("."):
        run = getattr(run, part)
    assert run == text


def test_a_text_that_is_not_utf_8_is_refused():
    assert "not valid UTF-8" in refusal("output=/tmp/\udcff")


def test_the_values_of_a_list_may_be_quoted():
    run = config.resolve(["dense_layers=[features.0.0.weight, 'a,b', '${x}']"])
    assert run.dense_layers == ["features.0.0.weight", "a,b", "${x}"]
    assert config.resolve(["dense_layers=[]"]).dense_layers == []


def test_a_number_with_a_leading_zero_is_decimal_in_a_run_and_in_a_suite():
    assert config.resolve(["seed=010"]).seed == 10
    assert values.several("seed", "[010,2]") == ["010", "2"]


def test_several_values_or_one():
    assert values.several("budget", "[flops:0.5, epochs:1]") == ["flops:0.5", "epochs:1"]
    assert values.several("output", "/a [b]/c,d") == ["/a [b]/c,d"]
    with pytest.raises(UsageError, match="the list is empty"):
        values.several("seed", "[]")


def test_the_last_of_several_overrides_of_one_name_counts():
    run = config.resolve(["seed=1", "method=set", "budget=epochs:5x2", "method=rigl", "budget=flops:0.5", "seed=2"])
    assert (run.seed, run.method.name) == (2, "rigl")
    assert (run.budget.kind, run.budget.amount, run.budget.stretch) == ("flops", 0.5, 1.0)
    assert config.resolve(["budget=epochs:5", "budget.amount=7"]).budget.amount == 7
    assert "drop one" in refusal("budget=epochs:5", "budget.kind=flops")


def test_what_a_recipe_sets_for_a_method_gives_way_to_the_command_line():
    recipe = ["recipe=fashion_mnist", "method=rigl"]
    assert config.resolve(recipe).method.interval == 25
    assert config.resolve([*recipe, "recipe.methods.rigl.interval=30"]).method.interval == 30
    assert config.resolve([*recipe, "method.interval=40", "recipe.methods.rigl.interval=30"]).method.interval == 40
    assert config.resolve(["recipe=fashion_mnist", "recipe.methods.rigl.interval=30"]).method.interval == 40


def test_runs_that_differ_in_plain_settings_share_one_composition_and_nothing_else():
    overrides = ["method=set", "recipe.lr=0.0123"]
    before = compose._composed.cache_info().misses
    runs = [config.resolve([*overrides, f"seed={seed}", f"output=o{seed}"]) for seed in range(5)]
    assert compose._composed.cache_info().misses == before + 1
    runs[0].recipe.lr = 7.0
    runs[0].dense_layers.append("x")
    assert [run.seed for run in runs] == list(range(5))
    assert runs[1].recipe.lr == config.resolve(overrides).recipe.lr == 0.0123
    assert runs[1].dense_layers == []


def test_every_setting_of_every_run_can_be_named():
    for prototype in methods().values():
        run = dataclasses.asdict(config.resolve([f"method={prototype.name}", "sparsity=0.5"]))
        flat = {
            f"{part}.{name}" if isinstance(inner, dict) else part
            for part, inner in run.items()
            for name in (inner if isinstance(inner, dict) else [part])
        }
        expected = flat - {"method.name", *(f"recipe.{name}" for name in APPLIED), *names.NOT_SET, *names.OF_TASK}
        assert set(names.settings(type(prototype))) == expected


def test_a_config_survives_its_plain_form():
    run = config.resolve(["method=granet", "dense_layers=[a]", "budget=flops:0.5"])
    plain = config.to_dict(run)
    again = config.from_dict({**plain, "later": 1})
    assert config.to_dict(again) == plain
    assert config.from_dict(plain, method=False).method is None
    out = {"test", "corruptions", "nproc", "budget_share", "reference"}  # at their defaults
    out |= {"plugins", "tuned", "keep", *TRACKERS}  # always
    assert {f.name for f in dataclasses.fields(RunConfig)} - out | {"rules"} == set(plain)
    assert set(plain["model"]) == {"name"}


def test_what_is_newer_than_the_first_records_is_written_where_it_is_set():
    run = config.resolve(["test=false", "model.width=0.5"])
    plain = config.to_dict(run)
    assert (plain["test"], plain["model"]["width"]) == (False, 0.5)
    assert config.to_dict(config.from_dict(plain)) == plain


@pytest.mark.parametrize("width", ["0", "-1", "nan", "1000"])
def test_a_width_that_no_model_has_is_refused(width):
    assert "model.width" in refusal(f"model.width={width}")


@pytest.mark.parametrize("name", ["budget_share", "reference", "plugins"])
def test_what_follows_from_other_settings_cannot_be_set(name):
    assert name in refusal(f"{name}=1")


class Declares(Method):
    """Declares what a record says of its masks; takes no sparsity above a half."""

    exact = False

    def probe(self, target):
        return Probe(batches=2)

    def pattern(self, target):
        if target < 0.5:
            raise ValueError(f"sparsity {1 - target:g} is not 0.5")
        return Pattern("n:m", 2, 4)


def test_what_a_method_declares_is_in_the_plain_form_and_what_it_cannot_have_is_refused():
    run = dataclasses.replace(config.resolve(["sparsity=0.5"]), method=Declares())
    plain = config.to_dict(run)
    assert plain["reaches"] is True
    assert plain["pattern"] == {"kind": "n:m", "n": 2, "m": 4}
    assert plain["probe"]["batches"] == 2
    run.sparsity = 0.9
    with pytest.raises(UnfitError, match=r"sparsity 0\.9 is not 0\.5"):
        config.checked(run)
    usual = config.to_dict(config.resolve(["method=rigl"]))
    assert not {"reaches", "pattern", "probe"} & set(usual)


@pytest.mark.parametrize("setting", ["method.distribution=uniform", "method.interval=7"])
def test_what_decides_on_masks_alone_makes_no_other_dense_run(setting):
    plain, given = config.resolve(["method=dense"]), config.resolve(["method=dense", setting])
    assert identity.settings(config.to_dict(plain)) == identity.settings(config.to_dict(given))
    assert config.resolve(["method=static", "method.distribution=uniform"]).method.distribution == "uniform"


def own_recipe(tmp_path, monkeypatch, methods_of_it):
    folder = tmp_path / "benchmarks" / "recipe"
    folder.mkdir(parents=True)
    text = (ROOT / "benchmarks" / "recipe" / "digits.yaml").read_text()
    (folder / "mine.yaml").write_text(
        text.partition("methods:")[0].replace("name: digits", "name: mine") + f"methods: {methods_of_it}\n"
    )
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("methods_of_it", "said"),
    [
        ("{rigll: {fraction: 0.4}}", "unknown method in recipe.methods of recipe mine 'rigll'"),
        ("{rigl: {fractoin: 0.4}}", "did you mean 'fraction'?"),
        ("{rigl: 0.4}", "recipe mine: recipe.methods.rigl is '0.4', not settings of the method"),
    ],
)
def test_what_a_recipe_misspells_for_any_method_is_refused(tmp_path, monkeypatch, methods_of_it, said):
    own_recipe(tmp_path, monkeypatch, methods_of_it)
    assert said in refusal("recipe=mine", "method=dense")


def test_a_recipe_may_have_settings_of_a_method_from_elsewhere_and_says_so(tmp_path, monkeypatch, capsys):
    own_recipe(tmp_path, monkeypatch, "{somebodys_own: {speed: 3}, rigl: {fraction: 0.4}, set: null}")
    assert config.resolve(["recipe=mine", "method=rigl"]).method.fraction == 0.4
    assert config.resolve(["recipe=mine", "method=set"]).method.name == "set"
    said = "'somebodys_own', which is no method of the project: only a plug-in of that name uses them\n"
    assert capsys.readouterr().err == f"recipe mine has settings for {said}"


def test_a_plan_names_where_masks_are_if_that_is_not_the_default():
    placed = config.resolve(["method=rigl", "method.distribution=uniform", "dense_layers=[fc*]"])
    assert tables.placed(placed) == " [distribution=uniform, dense_layers=['fc*']]"
    assert not tables.placed(config.resolve(["method=gmp_uniform"]))
    assert not tables.placed(config.resolve(["method=dense", "method.distribution=uniform"]))


def test_a_setting_that_a_method_without_masks_leaves_unused_is_said_to_be(capsys):
    given = ["method=dense", "sparsity=0.9", "method.distribution=uniform"]
    tables.notice_dense(given, config.resolve(given))
    said = "dense has no masks: its sparsity is 0\ndense has no masks: method.distribution changes nothing and is erk\n"
    assert capsys.readouterr().err == said


LONG = ("recipe.lr_shape=step", "budget=epochs:20", "recipe.batch_size=10")  # of digits: 130 steps an epoch


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (["recipe.milestones=[10 epochs,15epochs]"], ["recipe.milestones=[0.5,0.75]"]),
        (["recipe.milestones=['1300 steps', 0.75]"], ["recipe.milestones=[0.5,0.75]"]),
        (["recipe.milestones=[10 epochs]", "budget=epochs:20x5"], ["recipe.milestones=[0.1]", "budget=epochs:20x5"]),
        (["recipe.milestones=[1 epoch]", "budget=steps:520"], ["recipe.milestones=[0.25]", "budget=steps:520"]),
        (["method=rigl", "method.interval=2 epochs"], ["method=rigl", "method.interval=260"]),
        (["method=rigl", "method.interval=0.5 epochs"], ["method=rigl", "method.interval=65"]),
        (["method=rigl", "method.interval=7 steps"], ["method=rigl", "method.interval=7"]),
        (["method=set", "recipe.methods.set.interval=1 epoch"], ["method=set", "method.interval=130"]),
    ],
)
def test_lengths_may_be_written_in_epochs_or_steps_and_make_the_same_run(given, same):
    first, second = config.resolve([*LONG, *given]), config.resolve([*LONG, *same])
    assert identity.settings(config.to_dict(first)) == identity.settings(config.to_dict(second))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["recipe.milestones=[30 epochs]"], "30 epochs is after the end of the run, 2600 steps"),
        (["recipe.milestones=[3 epochs]", "budget=flops:0.5"], "a budget of flops does not say how long the run is"),
        (["recipe.milestones=[3 epochs]", "method=lth_rewind"], "the rounds of lth_rewind share the budget"),
        (["recipe.milestones=[3 epochs,later]"], "'later' is no share such as 0.5"),
        (["recipe.milestones=[3 weeks]"], "'3 weeks' is not a number"),
        (["recipe.milestones=1 epoch"], "'1 epoch' is not a list; write recipe.milestones=[1 epoch]"),
        (["method=rigl", "method.interval=0.001 epochs"], "is less than a step, of which an epoch has 130"),
        (["method=rigl", "method.interval=[1 epoch]"], "is not a whole number"),
        (["recipe.milestones=[3 epochs]", "budget=epochs:0"], "budget.amount 0.0 is not a positive number"),
    ],
)
def test_a_length_that_cannot_be_had_is_refused(given, said):
    assert said in refusal(*LONG, *given)


def test_a_recipe_may_say_an_interval_in_epochs(tmp_path, monkeypatch):
    own_recipe(tmp_path, monkeypatch, "{rigl: {interval: 2 epochs}, set: {interval: 3}}")
    run = config.resolve(["recipe=mine", "method=rigl", "recipe.batch_size=10"])
    assert run.method.interval == run.recipe.methods["rigl"]["interval"] == 260


def test_lenet_300_100_is_another_name_of_mlp():
    runs = [config.resolve(["dataset=fashion_mnist", f"model={name}"]) for name in ("mlp", "lenet_300_100")]
    first, second = (identity.settings(config.to_dict(run)) for run in runs)
    assert first == second
    assert first["model"]["name"] == "mlp"
    assert {"mlp", "lenet_300_100"} <= set(config.choices("model"))
