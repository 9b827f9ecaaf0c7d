"""One run from its config to its published record, whichever runner takes it."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import compose as config
from harness.config.compose import RunConfig
from harness.errors import UsageError
from harness.machine import provenance
from harness.plan import price as plan
from harness.records import Record, RecordError, empty, load, record_name, write, write_atomic
from harness.runners.choose import Choice
from harness.tasks.vision import data
from harness.training.prepare import prepare
from harness.training.worker import SUCCESSOR

SETTLED = ("done", "invalid", "diverged")
"""Statuses that a run of the same key has each time; the others are of the machine or its user."""


@dataclass(frozen=True)
class Result:
    """A run's record and where it is.

    Attributes:
        record: As published.
        path: Its file.
        trained: False if it existed already.
    """

    record: Record
    path: Path
    trained: bool


def existing(run: RunConfig, image_id: str | None) -> Result | None:
    """Return the record of a run that needs no training: it is done, or would end no better a second time."""
    path = plan.record_path(Path(run.output) / "records", plan.identify(run, image_id).key)
    if path is None:
        return None
    try:
        found = load(path)
    except RecordError:
        return None
    return Result(found, path, trained=False) if found["status"] in SETTLED else None


def execute(
    run: RunConfig,
    choice: Choice,
    on_event: Callable[[dict[str, Any]], None],
    successor: RunConfig | None = None,
) -> Result:
    """Train a run and publish its record, whatever becomes of it.

    A run that was interrupted goes on from its checkpoint; one that is not done keeps its working folder under
    ``OUTPUT/runs/KEY``, with the log.

    Args:
        run: With its device settled.
        choice: The runner (`choose`).
        on_event: Takes its progress events.
        successor: The run that goes on from where this one ends (`harness.plan.chains`).

    Raises:
        UsageError: The output cannot be written, or the run cannot start as configured.
    """
    identity = plan.identify(run, choice.image_id)
    folder = writable(Path(run.output) / "runs" / identity.key)
    (folder / "record.json").unlink(missing_ok=True)
    request = {
        "config": config.to_dict(run),
        "key": identity.key,
        "runner": choice.name,
        "provenance": {
            **provenance.source(),
            "method_sha256": identity.method_sha256,
            "data_sha256": identity.data_sha256,
            **choice.provenance,
        },
    }
    following = plan.identify(successor, choice.image_id).key if successor else None
    if following:
        request["successor"] = following
    path = folder / "request.json"
    write_atomic(path, json.dumps(request, indent=1))
    outcome = choice.run(path, folder, run.runner, on_event, folder / "log.txt")
    result = _result(request, folder, outcome.status, outcome.reason)
    result["provenance"].update(outcome.provenance)
    published = Path(run.output) / "records" / record_name(result)
    write(result, published)
    if result["status"] == "done":
        left = folder / choice.workplace / SUCCESSOR
        if following and left.is_file() and not left.is_symlink():
            left.replace(writable(folder.parent / following / choice.workplace) / "checkpoint.pt")
        shutil.rmtree(folder)
    return Result(result, published, trained=True)


def forget(run: RunConfig, choice: Choice) -> None:
    """Remove what a run has left to go on from, so that it begins anew."""
    shutil.rmtree(Path(run.output) / "runs" / plan.identify(run, choice.image_id).key, ignore_errors=True)


def require(run: RunConfig) -> None:
    """Make sure that a run can start: its settings fit together, its data are here, and there is somewhere to write.

    Data are downloaded where the config allows it.

    Raises:
        UsageError: One of these does not hold.
    """
    prepare(run)
    data.fetch(config.to_dict(run)["dataset"])
    writable(Path(run.output))


def writable(folder: Path) -> Path:
    """Make a folder and return it, absolute.

    Raises:
        UsageError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"output {folder}: cannot be made ({error.strerror})") from None
    if not os.access(folder, os.W_OK):
        raise UsageError(f"output {folder}: is not writable")
    return folder.resolve()


def _result(request: dict[str, Any], folder: Path, status: str | None, reason: str | None) -> Record:
    """Take what the inside left if it is a record of this run, and what the runner knows better."""
    inside: Record | None = None
    try:
        inside = load(folder / "record.json")
    except (OSError, RecordError) as error:
        status, reason = status or "failed", reason or f"the run left no valid record: {error}"
    if inside is None or inside["key"] != request["key"]:
        inside = empty(request["config"], request["key"], request["runner"])
        inside["provenance"].update(request["provenance"])
        status, reason = status or "failed", reason or "the run left a record of another run"
    if status is not None:
        inside.update(status=status, reason=reason)
    return inside
