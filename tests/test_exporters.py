"""Exporting while runs go on, are resumed or were done before; and that no tracker harms a run."""

import os
import signal
import socket
from collections import defaultdict

import pytest

from harness import config, extras
from harness.errors import UsageError
from harness.executors.base import Progressed
from harness.executors.local import LocalExecutor
from harness.exporters import callback, process
from harness.exporters.callback import Exports, about
from harness.vocabulary import TRACKERS

pytest.importorskip("tensorboard", reason="needs the extra tensorboard")

from trackers import curve, place, planned, read, train


def test_points_appear_while_the_run_goes_on(tmp_path):
    (run,) = planned(tmp_path, "static", budget="epochs:5000", evaluations=1000, tensorboard=str(tmp_path / "tb"))
    executor, folder = LocalExecutor(), place(tmp_path / "tb", run)
    executor.submit([[run]])
    seen = {}
    with Exports([run], pytest.fail) as export:
        for event in executor.events():
            export(event)
            if isinstance(event, Progressed) and folder.exists() and not seen:
                seen = read(folder).get("val_accuracy", {})
                if seen:
                    executor.cancel()  # it would train for minutes: what was read was written before its end
    assert seen
    assert not [tag for tag in read(folder) if tag.startswith("status/")]


def test_a_record_that_exists_is_exported_without_training_once(tmp_path):
    (ended,) = train(planned(tmp_path, "static"))
    for _ in range(2):
        (run,) = planned(tmp_path, "static", tensorboard=str(tmp_path / "tb"))
        (again,) = train([run])
        assert not again.trained
        scalars = read(place(tmp_path / "tb", run))
        assert set(scalars["val_accuracy"]) == set(curve(ended.record))
        assert len(list(place(tmp_path / "tb", run).iterdir())) == 1


def test_a_step_that_is_evaluated_after_it_was_told_of_has_its_accuracy(tmp_path):
    from harness.exporters import tensorboard, worker

    said = []
    runs = worker.Runs(tensorboard.Tracker(str(tmp_path)), said.append)
    runs.take({"do": "start", "about": {"key": "k", "name": "n", "group": "g", "settings": {}}})
    evaluated = {"step": 5, "values": {"train_loss": 1.5, "val_accuracy": 0.5}}
    for values in ({"train_loss": 1.5}, evaluated["values"], evaluated["values"]):
        runs.take({"do": "point", "key": "k", "step": 5, "values": values})
    runs.take({"do": "point", "key": "k", "step": 4, "values": {"val_accuracy": 0.1}})
    runs.take({"do": "end", "key": "k", "status": "done", "step": 5, "points": [evaluated], "results": {}})
    scalars = read(tmp_path / "g" / "k")
    assert said == []
    assert (scalars["train_loss"], scalars["val_accuracy"]) == ({5: 1.5}, {5: 0.5})


def test_seeds_of_a_row_share_a_group_and_nothing_else_does(tmp_path):
    runs = [
        planned(tmp_path, method, seed=seed, budget=budget)
        for method in ("rigl", "set")
        for seed in (0, 1)
        for budget in ("steps:40", "steps:50")
    ]
    groups = defaultdict(set)
    for (run,) in runs:
        groups[about(run)["group"]].add(run.run.seed)
    assert list(groups.values()) == [{0, 1}] * 4
    assert len({about(run)["name"] for (run,) in runs}) == 8


# What it must not do


def test_trackers_are_no_part_of_a_run(tmp_path):
    (plain,) = planned(tmp_path, "rigl")
    (exported,) = planned(tmp_path, "rigl", tensorboard=str(tmp_path), wandb="a/b", mlflow="x", trackio="y")
    assert exported.key == plain.key
    assert config.to_dict(exported.run) == config.to_dict(plain.run)


def test_a_tracker_that_cannot_write_costs_one_line(tmp_path, capsys):
    runs = planned(tmp_path, "static", "dense", tensorboard="/proc/sparsebench")
    assert [ended.status for ended in train(runs)] == ["done", "done"]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tensorboard:")]
    assert len(said) == 1
    assert said[0].endswith("; the runs go on")


def test_a_tracker_that_is_killed_costs_one_line(tmp_path, capsys, monkeypatch):
    runs = planned(tmp_path, "static", "dense", tensorboard=str(tmp_path / "tb"))
    killed = []

    class Killed(process.TrackerProcess):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            os.killpg(self._program.pid, signal.SIGKILL)
            killed.append(self)

    monkeypatch.setattr(callback, "TrackerProcess", Killed)
    assert [ended.status for ended in train(runs)] == ["done", "done"]
    assert len(killed) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tensorboard:")]
    assert said == ["tensorboard: its process has ended (exit status -9); the runs go on"]


def test_a_tracker_whose_server_never_answers_is_given_up(tmp_path, capsys, monkeypatch):
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    monkeypatch.setattr(process, "PATIENCE", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (ended,) = train(planned(tmp_path, "static", mlflow=address))
    assert ended.status == "done", ended.record["reason"]
    assert "mlflow: ended after 1 seconds without a sign of life; the runs go on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "where", "said"),
    [
        ("tensorboard", "file", "is a file"),
        ("wandb", "a/b/c", "PROJECT or ENTITY/PROJECT"),
        ("wandb", "", "is empty"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(tmp_path, monkeypatch, name, where, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=said):
        config.resolve([f"{name}={where}"])


@pytest.mark.parametrize("name", TRACKERS)
def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch, name):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(UsageError, match=rf"pip install 'sparsebench\[{name}\]'"):
        config.resolve([f"{name}=somewhere"])
