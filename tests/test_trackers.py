"""Trackers by their real libraries, offline: each holds what the record holds, once."""

import dataclasses
import json
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("tensorboard", reason="needs the extra tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from trackers import alone_in, curve, near, place, planned, read, train

from harness.executors.base import Progressed
from harness.executors.local import LocalExecutor
from harness.exporters.callback import CURVE, Exports, about, results
from harness.plan.planned import Planned


@pytest.fixture
def alone(tmp_path):
    patch = alone_in(tmp_path)
    yield patch
    patch.undo()


class Exported(NamedTuple):
    """A run that every tracker was told of: it was interrupted, resumed to its end, and found done."""

    folder: Path
    planned: Planned
    record: dict
    name: str
    interrupted: dict
    """What TensorBoard had of it before it was resumed."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    patch, said = alone_in(folder), []
    patch.setenv("WANDB_MODE", "offline")
    where = {"tensorboard": str(folder / "tb"), "wandb": "me/sparse", "mlflow": str(folder / "mlruns")}
    where |= {"trackio": "sparse"}
    more = {"budget": "steps:300", "evaluations": 30, **{name: where[name] for name in where if find_spec(name)}}
    (run,) = planned(folder, "rigl", **more)
    events(run, said, until=lambda event: isinstance(event, Progressed) and event.message.get("evaluated"))
    interrupted = read(place(folder / "tb", run))
    (run,) = planned(folder, "rigl", **more)
    ended = events(run, said)
    patch.undo()
    assert [line for line in said if not line.startswith("waiting for")] == []
    assert ended.record["provenance"]["resumed"]
    return Exported(folder, run, ended.record, ended.path.stem, interrupted)


def events(run, said, until=lambda event: False):
    """Train and export a run, cancelled at an event; one that ends is exported again, as a record that is there."""
    executor = LocalExecutor()
    executor.submit([[run]])
    with Exports([run], said.append) as export:
        for event in executor.events():
            export(event)
            if until(event):
                executor.cancel()
        if event.status == "done":
            export(dataclasses.replace(event, trained=False))
    return event


def test_the_figures_in_tensorboard_are_those_of_the_record(exported):
    assert exported.interrupted["val_accuracy"]
    assert not [tag for tag in exported.interrupted if tag.startswith(("status/", "results/"))]
    scalars = read(place(exported.folder / "tb", exported.planned))
    assert [tag for tag in scalars if tag.startswith("status/")] == ["status/done"]
    for step, values in curve(exported.record).items():
        assert {name: scalars[name][step] for name in CURVE} == near(values)
    last = exported.record["cost"]["steps"]
    found = {tag.removeprefix("results/"): at for tag, at in scalars.items() if tag.startswith("results/")}
    assert {name: at[last] for name, at in found.items()} == near(results(exported.record))
    assert found["test_accuracy"][last] == pytest.approx(exported.record["metrics"]["test_accuracy"])


def test_tensorboard_has_the_settings_of_a_run_and_how_it_ended(exported):
    folder = place(exported.folder / "tb", exported.planned)
    reader = EventAccumulator(str(folder))
    reader.Reload()
    held = {
        tag: plugin_data_pb2.HParamsPluginData.FromString(content)
        for tag, content in reader.PluginTagToContent("hparams").items()
    }
    settings = held["_hparams_/session_start_info"].session_start_info.hparams
    assert settings["key"].string_value == exported.planned.key
    assert settings["method.name"].string_value == "rigl"
    assert settings["sparsity"].number_value == 0.9
    assert held["_hparams_/session_end_info"].session_end_info.status == 1
    assert "status/done" in read(folder)


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


def test_wandb_offline_has_the_figures_of_the_record_once(exported):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    starts = list(offline_runs(exported.folder))
    assert len(starts) == 2  # the library makes a folder for each; `wandb sync` joins them by the key
    messages = [message for start in starts for message in start]
    (begun,) = [each.run for each in messages if each.HasField("run")][:1]
    told = about(exported.planned)
    assert (begun.entity, begun.project) == ("me", "sparse")
    assert (begun.run_id, begun.display_name, begun.run_group) == (told["key"], told["name"], told["group"])
    assert items(begun.config.update)["method.name"] == "rigl"
    steps = [each.history for each in messages if each.HasField("history")]
    history = {each.step.num: items(each.item) for each in steps}
    assert len(history) == len(steps)
    for step, values in curve(exported.record).items():
        assert {name: history[step][name] for name in values} == near(values)
    summary = {}
    for each in messages:
        summary |= items(each.summary.update) if each.HasField("summary") else {}
    assert summary["status"] == "done"
    assert {name: summary[name] for name in results(exported.record)} == near(results(exported.record))


def test_nobody_logged_in_at_wandb_costs_one_line(tmp_path, alone, capsys):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    alone.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    runs = planned(tmp_path, "static", "dense", wandb="somewhere")
    assert [ended.status for ended in train(runs)] == ["done", "done"]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wandb:")]
    assert len(said) == 1
    assert said[0].endswith("; the runs go on")


def test_wandb_offline_that_cannot_write_where_it_should_costs_one_line(tmp_path, alone, capsys):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    alone.setenv("WANDB_MODE", "offline")
    alone.setenv("WANDB_DIR", "/proc/sparsebench")
    (ended,) = train(planned(tmp_path, "static", wandb="sparse"))
    assert ended.status == "done"
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wandb:")]
    assert "/proc/sparsebench" in said


def test_mlflow_has_the_figures_of_the_record_once(exported, alone):
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    alone.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient((exported.folder / "mlruns").as_uri())
    (found,) = client.search_runs([client.get_experiment_by_name("sparsebench").experiment_id])
    assert (found.info.status, found.info.run_name) == ("FINISHED", exported.name)
    assert found.data.tags["sparsebench.row"] == about(exported.planned)["group"]
    assert found.data.params["method.name"] == "rigl"
    for name in CURVE:
        points = client.get_metric_history(found.info.run_id, name)
        held = {each.step: each.value for each in points}
        assert len(held) == len(points)
        assert {step: held[step] for step in curve(exported.record)} == near(
            {step: values[name] for step, values in curve(exported.record).items()}
        )
    assert {name: found.data.metrics[name] for name in results(exported.record)} == near(results(exported.record))


def test_trackio_has_the_figures_of_the_record_once(exported):
    pytest.importorskip("trackio", reason="needs the extra trackio")
    with closing(sqlite3.connect(exported.folder / "trackio" / "sparse.db")) as base:
        rows = base.execute("select run_name, step, metrics from metrics order by id").fetchall()
        ((settings,),) = base.execute("select config from configs").fetchall()
    assert {name for name, *_ in rows} == {exported.name}
    assert json.loads(settings)["method.name"] == "rigl"
    assert json.loads(settings)["_Group"] == about(exported.planned)["group"]
    held = {step: json.loads(text) for _, step, text in rows[:-1]}
    assert len(held) == len(rows) - 1
    for step, values in curve(exported.record).items():
        assert {name: held[step][name] for name in values} == near(values)
    assert json.loads(rows[-1][2]) == {"status": "done", **near(results(exported.record))}


def test_trackio_that_cannot_write_costs_one_line(tmp_path, alone, capsys):
    pytest.importorskip("trackio", reason="needs the extra trackio")
    alone.setenv("TRACKIO_DIR", "/proc/sparsebench")
    (ended,) = train(planned(tmp_path, "static", trackio="sparse"))
    assert ended.status == "done"
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("trackio:")]
    assert len(said) == 1
