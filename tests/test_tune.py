"""Tuning: spaces, the trials drawn from them, trials as runs, and what a tuning decides."""

import argparse
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from harness import config
from harness.audit.submission import check
from harness.cli import tune
from harness.cli.main import parse
from harness.errors import UsageError
from harness.records import load
from harness.seeds import derive
from harness.tuning import apply, published, result, space
from harness.tuning.result import Trial, Tuning
from methods import methods

TASK = ["dataset=digits", "budget=epochs:1", "device=cpu", "runner=local", "evaluations=1", "checkpoint_seconds=0"]


def run(method="rigl", *more):
    return config.resolve([f"method={method}", *TASK, *more])


def a_space(tmp_path, text):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("method", sorted(methods()))
def test_the_default_space_gives_every_method_trials_that_it_allows(method):
    base = run(method, "sparsity=0.75")  # which N:M methods take too
    for settings in space.draw(space.declared("default", base), "digits/convnet", 20):
        tried = apply.with_settings(base, settings)
        assert apply.values(tried, settings) == settings


def test_trials_are_halton_points_shifted_by_task_and_setting():
    ranges = {"recipe.lr": space.Range(0.1, 0.03, 0.3, "log"), "method.fraction": space.Range(0.3, 0.1, 0.6)}
    trials = space.draw(ranges, "digits/convnet", 8)
    points = qmc.Halton(2, scramble=False).random(8)
    points = (points + [derive(0, "tuning", "digits/convnet", each) / 2**63 for each in ranges]) % 1
    np.testing.assert_allclose([each["recipe.lr"] for each in trials], 0.03 * 10 ** points[:, 0], rtol=5e-3)
    np.testing.assert_allclose([each["method.fraction"] for each in trials], 0.1 + 0.5 * points[:, 1], rtol=5e-3)


def test_the_settings_without_tuning_are_not_among_the_trials():
    ranges = {
        "method.growth": space.Range("gradient", choices=("gradient", "random")),
        "method.interval": space.Range(2, 1, 3),
    }
    trials = space.draw(ranges, "digits/convnet", 60)
    assert {(each["method.growth"], each["method.interval"]) for each in trials} == {
        (growth, interval) for growth in ("gradient", "random") for interval in (1, 2, 3)
    } - {("gradient", 2)}


@pytest.mark.parametrize(
    "ranges", [{"method.interval": space.Range(20, 20, 20.4)}, {"recipe.lr": space.Range(0.1, 0.1, 0.10001)}]
)
def test_a_space_that_leaves_nothing_to_try_is_refused(ranges):
    with pytest.raises(UsageError, match="holds hardly anything but the settings without tuning; widen it"):
        space.draw(ranges, "digits/convnet", 5)


@given(st.integers(2, 60), st.integers(1, 60))
def test_more_trials_begin_with_fewer_and_methods_share_the_values_of_shared_settings(count, more):
    lr = space.Range(0.1, 0.03, 0.3, "log")
    alone = {"recipe.lr": lr}
    both = {"recipe.lr": lr, "method.interval": space.Range(20, 5, 80, "log")}
    few, many = space.draw(both, "a/b", count), space.draw(both, "a/b", count + more)
    assert many[:count] == few
    assert [each["recipe.lr"] for each in few] == [each["recipe.lr"] for each in space.draw(alone, "a/b", count)]
    assert all(5 <= each["method.interval"] <= 80 and type(each["method.interval"]) is int for each in many)
    assert all(0.03 <= each["recipe.lr"] <= 0.3 for each in many)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shared: {recipe.lr: {times: [0.3, 3]}\n  x", "is not valid YAML"),
        ("- 1", "has to hold shared: and methods:"),
        ("trials: {}", "has to hold shared: and methods:"),
        ("shared: [1]", "have to name settings with their ranges"),
        ("methods: {rigl: 3}", "have to name settings with their ranges"),
        ("shared: {recipe.epochs: {times: [1, 2]}}", "recipe.epochs cannot be tuned: of a recipe lr, "),
        ("shared: {seed: {choices: [0, 1]}}", "seed cannot be tuned: settings of the recipe and of the method can"),
        ("shared: {method.fraction: {low: 0, high: 1}}", "method.fraction is not shared: put it under methods:"),
        ("methods: {rigl: {name: {choices: [rigl, set]}}}", "method.name"),
        ("methods: {rigl: {fractoin: {low: 0, high: 1}}}", "did you mean 'fraction'?"),
        ("shared: {recipe.lr: 3}", "recipe.lr takes times: [a, b], or low: and high:, or choices:"),
        ("shared: {recipe.lr: {times: [3, 0.3]}}", "two factors above 0, the smaller one first"),
        ("shared: {recipe.lr: {times: [.nan, 1]}}", "times has to be two factors"),
        ("shared: {recipe.lr: {low: 1, high: 0}}", "low the smaller one"),
        ("shared: {recipe.lr: {low: 0, high: 1, scale: log}}", "log above 0"),
        ("shared: {recipe.lr: {low: 0, high: 1, scale: cubic}}", "scale is linear, or log"),
        ("shared: {recipe.label_smoothing: {times: [1, 2]}}", "is 0.0 here, which no factor changes"),
        ("methods: {rigl: {growth: {low: 0, high: 1}}}", "is not a number, so it takes choices"),
        ("methods: {rigl: {growth: {choices: [gradient]}}}", "two values or more"),
        ("methods: {rigl: {growth: {choices: [random, random]}}}", "lists a value twice"),
        ("methods: {rigl: {growth: {choices: [gradient, 1]}}}", "not of the kind of 'gradient'"),
        ("methods: {set: {fraction: {low: 0, high: 1}}}", "declares nothing for the method rigl"),
    ],
)
def test_a_malformed_space_is_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(UsageError) as caught:
        space.declared(a_space(tmp_path, text), run())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "owner", "chosen"),
    [
        ("momentum", "0.9", "optimizer=sgd", "optimizer=adamw"),
        ("momentum", "0.9", "optimizer=sgd", "optimizer=adam"),
        ("gamma", "0.1", "lr_shape=step", "lr_shape=cosine"),
    ],
)
def test_a_setting_that_the_recipe_does_not_use_is_not_tuned(tmp_path, name, value, owner, chosen):
    path = a_space(tmp_path, f"shared:\n  recipe.lr: {{times: [0.3, 3]}}\n  recipe.{name}: {{low: 0.2, high: 0.8}}\n")
    said = f"recipe.{name} {value} is a setting of recipe.{owner}, not of recipe.{chosen}: leave it out"
    with pytest.raises(UsageError, match=rf"^space .*: {said}$"):
        space.declared(path, run("rigl", f"recipe.{chosen}"))
    assert f"recipe.{name}" in space.declared(path, run("rigl", f"recipe.{owner}"))


def test_a_value_that_the_method_refuses_names_space_and_trial(tmp_path):
    from harness.tuning.search import search

    wide = a_space(tmp_path, "methods: {rigl: {fraction: {low: 2, high: 3}}}")
    with pytest.raises(UsageError, match=r"space.yaml: trial 1 of rigl: method.fraction: [\d.]+ is not in \[0, 1\]"):
        search(run(), wide, 3).runs()


def test_without_a_validation_split_nothing_is_tuned():
    from harness.tuning.search import search

    with pytest.raises(UsageError, match=r"dataset.val_examples=0: trials are scored on the validation split"):
        search(run("rigl", "dataset.val_examples=0"), "default", 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["seed=0"], "'seed=0': trials have a seed of their own"),
        (["test=true"], "'test=true': trials never touch the test set"),
        (["tuned=true"], "'tuned=true': a trial cannot be tuned itself"),
        (["--space", "nothing"], "unknown space 'nothing': allowed are default"),
        (["--space", "nothing.yaml"], "space nothing.yaml: cannot be read"),
        (["sparsity=2"], "sparsity 2.0 is not in [0, 1)"),
    ],
)
def test_bad_usage_of_tune_is_refused_in_one_line(arguments, said):
    with pytest.raises(UsageError) as caught:
        command("tune", "method=static", *TASK, *arguments)
    assert said in str(caught.value)


@pytest.mark.parametrize("trials", ["1", "101", "x", "-3", "２"])
def test_a_number_of_trials_is_bounded(trials):
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not a number of trials in 2\.\.\.100"):
        tune._trials(trials)


def made(settings, accuracies, fits=None, sparsity=0.9):
    """A tuning in lr alone whose trials ended so."""
    drawn = space.draw(settings, "digits/convnet", len(accuracies))
    ended = zip(drawn, accuracies, fits or [True] * len(accuracies), strict=True)
    trials = [
        Trial(each, f"{number:016x}", "done" if accuracy is not None else "diverged", accuracy, sparsity, fit, 10)
        for number, (each, accuracy, fit) in enumerate(ended)
    ]
    return Tuning(apply.task(run()), sparsity, "default", settings, tuple(trials))


LR = {"recipe.lr": space.Range(0.1, 0.03, 0.3, "log")}


def test_the_best_trial_is_chosen_the_first_of_equals_never_a_denser_or_a_failed_one():
    assert made(LR, [0.5, 0.7, 0.7, None]).chosen == 1
    assert made(LR, [0.5, 0.7, 0.9], [True, True, False]).chosen == 1
    assert made(LR, [None, None]).chosen is None


def test_the_file_of_a_tuning_is_read_as_written_and_refused_if_changed(tmp_path):
    path = tmp_path / "trials_3.json"
    tuning = made(LR, [0.5, 0.7, 0.6])
    tuning.write(path)
    assert result.read(path) == tuning
    plain = json.loads(path.read_text())
    for change, said in (
        ({"chosen": 2}, "was changed after it was written"),
        ({"flops": 1}, "was changed after it was written"),
        ({"trials": plain["trials"][:2]}, "was changed after it was written"),
        ({"trials": plain["trials"][::-1]}, "are not those that its space gives"),
        ({"trials": 3}, "is not a file that sparsebench tune wrote"),
        ({"space": {"name": "default", "settings": {"recipe.lr": 3}}}, "is not a range"),
        ({"task": None}, "is not a file that sparsebench tune wrote"),
        ({"task": plain["task"] | {"method": None}}, "is not a file that sparsebench tune wrote"),
        ({"sparsity": "0.9"}, "is not a file that sparsebench tune wrote"),
        *(
            ({"trials": [plain["trials"][0] | {name: value}, *plain["trials"][1:]]}, "is not a file")
            for name, value in (
                ("val_accuracy", math.nan),
                ("val_accuracy", 50),
                ("val_accuracy", None),
                ("status", "fine"),
                ("fits", "yes"),
                ("key", 3),
                ("train_flops", -1),
            )
        ),
    ):
        path.write_text(json.dumps(plain | change, indent=1) + "\n")
        with pytest.raises(UsageError, match=said):
            result.read(path)
    path.write_text("[" * 100_000)
    with pytest.raises(UsageError, match="is not a file that sparsebench tune wrote"):
        result.read(path)


def test_a_tuning_serves_every_sparsity_and_seed_of_its_task_and_nothing_else(tmp_path):
    path = tmp_path / "trials_2.json"
    tuning = made(LR, [0.5, 0.7])
    tuning.write(path)
    chosen = tuning.settings["recipe.lr"]
    for more in (["sparsity=0.95", "seed=3"], []):
        tuned = apply.applied(run("rigl", f"tuned={path}", *more))
        assert tuned.recipe.lr == chosen
        assert apply.applied(tuned) == tuned
        assert apply.described(tuned) == tuning.described()
    for more, said in (
        (["recipe.momentum=0.8"], "recipe.momentum=0.9, here 0.8"),
        (["budget=epochs:2"], "budget.amount=1.0, here 2.0"),
        (["method.fraction=0.2"], "method.fraction=0.3, here 0.2"),
        (["recipe.lr=0.2"], f"recipe.lr={chosen}, here 0.2 was given; drop it"),
        (["method=set"], "method"),
    ):
        with pytest.raises(UsageError, match="is of another run: .*" + said):
            apply.applied(run("rigl", f"tuned={path}", *more))
    with pytest.raises(UsageError, match="cannot be read"):
        apply.applied(run("rigl", f"tuned={tmp_path}/none.json"))
    made(LR, [0.5, 0.7], [False, False]).write(path)
    with pytest.raises(UsageError, match="none of its trials is done at the sparsity, so nothing was chosen"):
        apply.applied(run("rigl", f"tuned={path}"))


def test_tuned_true_finds_the_one_tuning_that_fits(tmp_path):
    mine = run("rigl", "tuned=true", f"output={tmp_path}")
    with pytest.raises(UsageError, match="no tuning of rigl on digits/convnet with these settings"):
        apply.applied(mine)
    made(LR, [0.5, 0.7]).write(tmp_path / "tuning" / "a" / "trials_2.json")
    with pytest.raises(UsageError, match=r"; .*a/trials_2.json has budget.amount=1.0, here 3.0"):
        apply.applied(run("rigl", "tuned=true", f"output={tmp_path}", "budget=epochs:3"))
    (tmp_path / "tuning" / "b").mkdir()
    (tmp_path / "tuning" / "b" / "trials_2.json").write_text("{}")  # may be of another run
    assert apply.applied(mine).recipe.lr == made(LR, [0.5, 0.7]).settings["recipe.lr"]
    made(LR, [0.5, 0.7, 0.6]).write(tmp_path / "tuning" / "a" / "trials_3.json")
    with pytest.raises(UsageError, match="several tunings of rigl on digits/convnet fit; name one of"):
        apply.applied(mine)


RENDA = "dataset=cifar10 model=resnet20 recipe=renda budget=epochs:182"


@pytest.mark.parametrize(
    ("overrides", "chosen"),
    [
        ("dataset=cifar10 model=vgg19 recipe=cifar budget=epochs:160 method=rigl_itop", "paper"),
        ("dataset=cifar10 model=vgg19 recipe=cifar budget=epochs:160 method=rigl_itop method.interval=500", "default"),
        ("dataset=cifar10 model=vgg19 recipe=cifar budget=epochs:160 method=rigl recipe.lr=0.2", "default"),
        ("dataset=cifar10 model=vgg19 recipe=cifar budget=epochs:20 method=rigl", "default"),
        ("dataset=cifar10 model=resnet20 recipe=cifar budget=epochs:160 method=rigl", "default"),
        ("dataset=imagenet recipe=imagenet_rigl budget=steps:32000 method=rigl", "paper"),
        ("dataset=imagenet recipe=imagenet_rigl budget=steps:32000 method=str", "default"),
        (f"{RENDA} method=lr_rewind budget.rounds=each", "paper"),
        (f"{RENDA} method=lr_rewind", "default"),
        (f"{RENDA} method=dense", "paper"),
        (f"{RENDA} method=dense model.width=0.5", "default"),
        (f"{RENDA} method=lth_rewind budget.rounds=each dense_layers=[fc]", "default"),
        ("dataset=digits method=rigl", "default"),
    ],
)
def test_settings_are_a_papers_only_if_nothing_was_changed(overrides, chosen):
    assert apply.described(config.resolve(overrides.split())) == {"chosen": chosen}


def test_published_recipes_exist_and_hold_with_every_method_of_their_papers():
    for name, paper in published.papers().items():
        first = [f"dataset={paper['datasets'][0]}", f"model={paper['models'][0]}", f"budget={paper['budgets'][0]}"]
        first += [f"recipe={name}", f"budget.rounds={paper.get('rounds', 'shared')}"]
        for method in methods():
            assert published.holds(config.resolve([*first, f"method={method}", "sparsity=0.75"])) is (
                method in paper["methods"]
            )


def command(*arguments):
    """Run a command as the command line does; return its exit status."""
    given = parse(list(arguments))
    return given.call(given)


def test_trials_are_trained_once_leave_the_test_set_alone_and_serve_a_suite(tmp_path, capsys):
    base = [*TASK, f"output={tmp_path}"]
    tuning = ["tune", "method=[static,dense]", *base, "--trials", "2", "--jobs", "2"]
    assert command(*tuning) == 0
    assert capsys.readouterr().out.count("wrote ") == 2
    files = sorted((tmp_path / "tuning").glob("*/trials_2.json"))
    for path in files:
        found = result.read(path)
        records = [load(each) for each in sorted(path.parent.glob("records/*.json"))]
        assert {record["key"] for record in records} == {trial.key for trial in found.trials}
        assert {record["seed"] for record in records} == {result.SEED}
        assert [record["metrics"]["test_accuracy"] for record in records] == [None, None]
        best = max(records, key=lambda record: record["metrics"]["val_accuracy"])
        assert found.settings["recipe.lr"] == best["config"]["recipe"]["lr"]
        assert found.flops == sum(record["cost"]["train_flops"] for record in records)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert command(*tuning) == 0
    assert "4 trials, 4 done" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before

    suite = ["suite", "--suite", "smoke", "method=static", "sparsity=0.95", *base]
    assert command(*suite, "tuned=true") == 0
    assert command(*suite, "seed=0") == 0
    found = result.read(files[1])
    records = [load(each) for each in sorted((tmp_path / "records").glob("*.json"))]
    tuned = [record for record in records if record["tuning"] == found.described()]
    assert [record["seed"] for record in tuned] == [0, 1, 2]
    assert all(record["config"]["recipe"]["lr"] == found.settings["recipe.lr"] for record in tuned)
    assert [record["tuning"] for record in records if record not in tuned] == [{"chosen": "default"}]
    assert "equally tuned, 2 trials each" in (tmp_path / "leaderboard.md").read_text()
    refused = check((tmp_path / "records").glob("*.json"))
    reasons = {line for lines in refused.values() for line in lines if not line.startswith("git_dirty")}
    assert reasons == {"seeds: only 0; a submission has at least 3, including those that failed"}
    assert check([next((tmp_path / "tuning").glob("*/records/*.json"))]).popitem()[1]


def test_a_plan_of_trials_trains_nothing(tmp_path, capsys):
    assert command("tune", "method=static", *TASK, f"output={tmp_path}", "--trials", "3", "--plan") == 0
    assert "3 runs, 0 done" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
