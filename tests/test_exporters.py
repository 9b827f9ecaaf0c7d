"""Exporters with the real libraries, offline: trackers hold what records hold, and no tracker harms a run."""

import dataclasses
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import defaultdict

import pytest
from runs import small

from harness import config, extras
from harness.cli import follow
from harness.errors import UsageError
from harness.executors.base import Progressed
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
    assert not [tag for tag in read(folder) if tag.startswith("status/")]


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
    assert first["val_accuracy"]
    assert not [tag for tag in first if tag.startswith(("status/", "results/"))]
    (ended,) = train(planned(tmp_path, "rigl", **more))
    assert ended.record["provenance"]["resumed"]
    scalars = read(folder)
    assert set(curve(ended.record)) <= set(scalars["val_accuracy"])
    for step, values in curve(ended.record).items():
        assert {name: scalars[name][step] for name in CURVE} == near(values)
    assert [tag for tag in scalars if tag.startswith("status/")] == ["status/done"]
    assert list(scalars["results/test_accuracy"]) == [300]


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


def test_the_callback_imports_no_library():
    code = f"import sys; import harness.exporters.callback; print(sorted({TRACKERS!r} & sys.modules.keys()))"
    code = code.replace(repr(TRACKERS), repr(set(TRACKERS)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The other trackers


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Leave nothing of this user's own settings to a library, and no way to a server."""
    for name in list(os.environ):
        if name.startswith(("WANDB_", "MLFLOW_", "TRACKIO_", "HF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return monkeypatch


def offline_runs(folder):
    """Read runs that wandb keeps: each is a log of LevelDB's format with messages of wandb's own protocol."""
    from wandb.proto.wandb_internal_pb2 import Record

    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        content, at, found, pending = path.read_bytes(), 7, [], b""
        assert content.startswith(b":W&B")
        while at + 7 <= len(content):
            if 32768 - at % 32768 < 7:
                at += 32768 - at % 32768
                continue
            length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
            pending += content[at + 7 : at + 7 + length]
            at += 7 + length
            if kind in (1, 4):  # whole, or its last part
                found.append(Record.FromString(pending))
                pending = b""
        yield found


def items(listed):
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in listed}


def test_wandb_offline_has_the_figures_of_the_record_once(tmp_path, alone):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    alone.setenv("WANDB_MODE", "offline")
    (run,) = planned(tmp_path, "rigl", wandb="me/sparse")
    (ended,) = train([run])
    train(planned(tmp_path, "rigl", wandb="me/sparse"))  # which is there already
    (messages,) = offline_runs(tmp_path)
    (begun,) = [each.run for each in messages if each.HasField("run")][:1]
    told = about(run)
    assert (begun.entity, begun.project) == ("me", "sparse")
    assert (begun.run_id, begun.display_name, begun.run_group) == (run.key, told["name"], told["group"])
    assert items(begun.config.update)["method.name"] == "rigl"
    history = {each.history.step.num: items(each.history.item) for each in messages if each.HasField("history")}
    for step, values in curve(ended.record).items():
        assert {name: history[step][name] for name in values} == near(values)
    summary = {}
    for each in messages:
        summary |= items(each.summary.update) if each.HasField("summary") else {}
    assert summary["status"] == "done"
    assert {name: summary[name] for name in results(ended.record)} == near(results(ended.record))


def test_nobody_logged_in_at_wandb_costs_one_line(tmp_path, alone, capsys):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    alone.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    runs = planned(tmp_path, "static", "dense", wandb="somewhere")
    assert [ended.status for ended in train(runs)] == ["done", "done"]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wandb:")]
    assert len(said) == 1
    assert said[0].endswith("; the runs go on")


def test_mlflow_has_the_figures_of_the_record_once(tmp_path, alone):
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    alone.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    (run,) = planned(tmp_path, "rigl", mlflow=str(tmp_path / "mlruns"))
    (ended,) = train([run])
    train(planned(tmp_path, "rigl", mlflow=str(tmp_path / "mlruns")))
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    (found,) = client.search_runs([client.get_experiment_by_name("sparsebench").experiment_id])
    assert (found.info.status, found.info.run_name) == ("FINISHED", ended.path.stem)
    assert found.data.tags["sparsebench.row"] == about(run)["group"]
    assert found.data.params["method.name"] == "rigl"
    for name in CURVE:
        points = client.get_metric_history(found.info.run_id, name)
        held = {each.step: each.value for each in points}
        assert len(held) == len(points)
        assert {step: held[step] for step in curve(ended.record)} == near(
            {step: values[name] for step, values in curve(ended.record).items()}
        )
    assert {name: found.data.metrics[name] for name in results(ended.record)} == near(results(ended.record))


def test_trackio_has_the_figures_of_the_record_once(tmp_path, alone):
    pytest.importorskip("trackio", reason="needs the extra trackio")
    (run,) = planned(tmp_path, "rigl", trackio="sparse")
    (ended,) = train([run])
    train(planned(tmp_path, "rigl", trackio="sparse"))
    with sqlite3.connect(tmp_path / "trackio" / "sparse.db") as base:
        rows = base.execute("select run_name, step, metrics from metrics order by id").fetchall()
        ((settings,),) = base.execute("select config from configs").fetchall()
    assert {name for name, *_ in rows} == {ended.path.stem}
    assert json.loads(settings)["method.name"] == "rigl"
    assert json.loads(settings)["_Group"] == about(run)["group"]
    held = {step: json.loads(text) for _, step, text in rows[:-1]}
    assert len(held) == len(rows) - 1
    for step, values in curve(ended.record).items():
        assert {name: held[step][name] for name in values} == near(values)
    assert json.loads(rows[-1][2]) == {"status": "done", **near(results(ended.record))}


def test_trackio_that_cannot_write_costs_one_line(tmp_path, alone, capsys):
    pytest.importorskip("trackio", reason="needs the extra trackio")
    alone.setenv("TRACKIO_DIR", "/proc/sparsebench")
    (ended,) = train(planned(tmp_path, "static", trackio="sparse"))
    assert ended.status == "done"
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("trackio:")]
    assert len(said) == 1
