"""Runs that trackers are told of, and what the trackers then hold."""

import dataclasses
import os

import pytest
from runs import small
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from harness.cli import follow
from harness.executors.local import LocalExecutor
from harness.exporters.callback import about, point
from harness.plan.planned import plan
from harness.vocabulary import TRACKERS


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


def alone_in(folder):
    """Leave nothing of this user's own settings to a library, and no way to a server; return what undoes it."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(("WANDB_", "MLFLOW_", "TRACKIO_", "HF_")):
            patch.delenv(name)
    patch.setenv("HOME", str(folder))
    patch.setenv("NETRC", str(folder / "netrc"))
    patch.setenv("WANDB_DIR", str(folder))
    patch.setenv("TRACKIO_DIR", str(folder / "trackio"))
    patch.setenv("HF_HUB_OFFLINE", "1")
    return patch
