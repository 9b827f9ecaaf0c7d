"""Exporters against the real libraries, offline: what trackers hold is what records hold, and no tracker harms a run."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict

import pytest
from runs import small

from harness import config
from harness.cli import follow
from harness.config import check
from harness.errors import UsageError
from harness.executors.base import Progressed
from harness.executors.execute import anew
from harness.executors.local import LocalExecutor
from harness.exporters import callback, process
from harness.exporters.callback import CURVE, Exports, about, point, results
from harness.plan.planned import plan
from harness.vocabulary import TRACKERS

pytest.importorskip("tensorboard", reason="needs the extra tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2


def planned(tmp_path, *methods, **more):
    """Plan short local runs; what is no setting of a tracker goes to `small`."""
    where = {name: more.pop(name) for name in TRACKERS if name in more}
    made = [dataclasses.replace(small(method, **more), output=str(tmp_path / "out"), **where) for method in methods]
    return plan(made)


def train(runs):
    return follow.follow(LocalExecutor(), runs, [[run] for run in runs])


def read(folder):
    """Read event files as TensorBoard does: the scalars of a folder, ``{tag: {step: value}}``."""
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    scalars = {}
    for tag in reader.Tags()["scalars"]:
        events = reader.Scalars(tag)
        scalars[tag] = {event.step: event.value for event in events}
        assert len(scalars[tag]) == len(events), f"{tag}: a step comes twice"
    return {tag: events for tag, events in scalars.items() if events}  # of what was taken back the tag remains


def place(folder, run):
    told = about(run)
    return folder / told["group"] / told["key"]


def near(figures):
    return {name: pytest.approx(value, rel=1e-6) for name, value in figures.items()}


def curve(record):
    """Return the curve of a record as trackers have it."""
    return {each["step"]: each["values"] for each in map(point, record["curve"])}


# TensorBoard


def test_the_figures_in_tensorboard_are_those_of_the_record(tmp_path):
    (run,) = planned(tmp_path, "rigl", tensorboard=str(tmp_path / "tb"))
    (ended,) = train([run])
    scalars = read(place(tmp_path / "tb", run))
    for step, values in curve(ended.record).items():
        assert {name: scalars[name][step] for name in CURVE} == near(values)
    last = ended.record["cost"]["steps"]
    found = {tag.removeprefix("results/"): at for tag, at in scalars.items() if tag.startswith("results/")}
    assert {name: at[last] for name, at in found.items()} == near(results(ended.record))
    assert found["test_accuracy"][last] == pytest.approx(ended.record["metrics"]["test_accuracy"])


def test_tensorboard_has_the_settings_of_a_run_and_how_it_ended(tmp_path):
    (run,) = planned(tmp_path, "rigl", tensorboard=str(tmp_path / "tb"))
    train([run])
    reader = EventAccumulator(str(place(tmp_path / "tb", run)))
    reader.Reload()
    held = {
        tag: plugin_data_pb2.HParamsPluginData.FromString(content)
        for tag, content in reader.PluginTagToContent("hparams").items()
    }
    settings = held["_hparams_/session_start_info"].session_start_info.hparams
    assert settings["key"].string_value == run.key
    assert settings["method.name"].string_value == "rigl"
    assert settings["sparsity"].number_value == 0.9
    assert held["_hparams_/session_end_info"].session_end_info.status == 1
    assert "status/done" in read(place(tmp_path / "tb", run))


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
    assert "status/interrupted" in read(folder)


def test_a_resumed_run_continues_where_it_was_and_has_each_step_once(tmp_path):
    more = {"budget": "steps:300", "evaluations": 30, "tensorboard": str(tmp_path / "tb")}
    (run,) = planned(tmp_path, "rigl", **more)
    executor = LocalExecutor()
    executor.submit([[run]])
    with Exports([run], pytest.fail) as export:
        for event in executor.events():
            export(event)
            if isinstance(event, Progressed) and event.message.get("evaluated"):
                executor.cancel()
    folder = place(tmp_path / "tb", run)
    first = read(folder)
    assert "status/done" not in first
    (ended,) = train(planned(tmp_path, "rigl", **more))
    assert ended.record["provenance"]["resumed"]
    scalars = read(folder)
    assert set(curve(ended.record)) <= set(scalars["val_accuracy"])
    for step, values in curve(ended.record).items():
        assert {name: scalars[name][step] for name in CURVE} == near(values)
    assert "status/interrupted" not in scalars
    assert "status/done" in scalars


def test_a_record_that_exists_is_exported_without_training_once(tmp_path):
    (ended,) = train(planned(tmp_path, "static"))
    for _ in range(2):
        (run,) = planned(tmp_path, "static", tensorboard=str(tmp_path / "tb"))
        (again,) = train([run])
        assert not again.trained
        scalars = read(place(tmp_path / "tb", run))
        assert set(scalars["val_accuracy"]) == set(curve(ended.record))
        assert len(list(place(tmp_path / "tb", run).iterdir())) == 1


def test_seeds_of_a_row_share_a_group_and_nothing_else_does(tmp_path):
    runs = [planned(tmp_path, method, seed=seed, budget=budget) for method in ("rigl", "set") for seed in (0, 1)
            for budget in ("steps:40", "steps:50")]
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
    assert ended.status == "done"
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
    monkeypatch.setattr(check, "find_spec", lambda module: None)
    with pytest.raises(UsageError, match=rf"pip install 'sparsebench\[{name}\]'"):
        config.resolve([f"{name}=somewhere"])


def test_the_callback_imports_no_library():
    code = f"import sys; import harness.exporters.callback; print(sorted({TRACKERS!r} & sys.modules.keys()))"
    code = code.replace(repr(TRACKERS), repr(set(TRACKERS)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
