"""Repeating a run: the same run agrees with itself, a forged one does not."""

import argparse
import copy

import pytest
from records import GPU, make

from harness import config
from harness.audit import submission
from harness.cli import check
from harness.cli.arguments import FAILED
from harness.config.typed import require_types
from harness.errors import UsageError
from harness.executors import rerun
from harness.executors.execute import execute
from harness.plan.planned import plan
from harness.records import write


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = config.resolve(["method=rigl", "budget=steps:40", "runner=local", "device=cpu", "seed=3"])
    run.output = str(tmp_path_factory.mktemp("trained"))
    (planned,) = plan([run])
    return execute(planned, lambda _: None).record


def test_a_run_repeated_on_the_same_cpu_gives_the_same_figures(trained, tmp_path):
    assert trained["status"] == "done"
    assert rerun.rerun(trained, tmp_path, lambda _: None) == []


def test_an_accuracy_that_the_run_does_not_give_is_told(trained, tmp_path):
    forged = copy.deepcopy(trained)
    forged["metrics"]["test_accuracy"] += 1 / 360
    found = rerun.rerun(forged, tmp_path, lambda _: None)
    assert len(found) == 1
    assert found[0].startswith("test_accuracy: ")


def test_what_this_machine_lacks_refuses_no_record(trained, tmp_path, monkeypatch, capsys):
    foreign, elsewhere = copy.deepcopy(trained), copy.deepcopy(trained)
    foreign["method"] = foreign["config"]["method"]["name"] = "theirs"
    elsewhere["config"]["dataset"].update(name="cifar10", root=str(tmp_path / "absent"))
    for record, said in ((foreign, "unknown method 'theirs'"), (elsewhere, "absent")):
        with pytest.raises(UsageError, match=said):
            rerun.rerun(record, tmp_path / "again", lambda _: None)
    paths = [tmp_path / f"{name}.json" for name in ("first", "second")]
    for path in paths:
        write(trained, path)
    monkeypatch.setattr(submission, "check", lambda paths, *_, **__: {path: [] for path in paths})
    answers = iter([UsageError("no data here"), []])

    def again(*_):
        answer = next(answers)
        if isinstance(answer, UsageError):
            raise answer
        return answer

    monkeypatch.setattr(rerun, "rerun", again)
    assert check.call(argparse.Namespace(records=list(map(str, paths)), rerun=True)) == FAILED
    assert capsys.readouterr().out.splitlines() == [
        f"{paths[0]}: could not be checked: no data here",
        f"{paths[1]}: passes",
        "1 checked: 1 pass, 0 refused; 1 could not be checked",
    ]


@pytest.mark.parametrize(
    ("group", "name", "value", "said"),
    [
        ("model", "widths", "abc", "config.model: "),
        ("model", "widths", [-1], "model.widths='[-1]': allowed are"),
        ("model", "dropout", "0.2", "config.model.dropout: '0.2' is not of its type"),
        ("dataset", "subset", [3], "config.dataset: "),
        ("recipe", "loss", "mse", "unknown recipe.loss 'mse'"),
        ("recipe", "lr_until", "5 epochs", "config.recipe: "),
    ],
)
def test_settings_of_another_type_are_refused_before_a_run_is_made_of_them(group, name, value, said):
    run = config.resolve([])
    require_types(run)
    setattr(getattr(run, group), name, value)
    with pytest.raises(UsageError) as refused:
        require_types(run)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_on_an_accelerator_accuracy_may_drift_and_counts_may_not():
    first = make("rigl", 0.9, 0, gpu=GPU, accuracy=0.95)
    again = copy.deepcopy(first)
    again["metrics"]["test_accuracy"] = 0.94
    assert rerun.compare(first, again) == []
    again["metrics"]["test_accuracy"] = 0.80
    again["cost"]["steps"] += 1
    assert [line.split(":")[0] for line in rerun.compare(first, again)] == ["test_accuracy", "steps"]


def test_a_budget_of_seconds_fixes_neither_steps_nor_flops():
    first = make("rigl", 0.9, 0, gpu=GPU, accuracy=0.95)
    first["budget"]["kind"] = "seconds"
    again = copy.deepcopy(first)
    again["cost"] |= {"steps": 9, "samples": 9, "train_flops": 9}
    assert rerun.compare(first, again) == []
