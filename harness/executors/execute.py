"""One planned run to its published record, whichever runner takes it."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import config
from harness.config import RunConfig
from harness.errors import UsageError
from harness.executors.base import Finished
from harness.machine import provenance
from harness.plan.existing import SETTLED
from harness.plan.planned import Planned
from harness.records import Record, RecordError, empty, load, record_name, write, write_atomic
from harness.records.ending import Ending, RefusedError
from harness.tasks.vision import data

SUCCESSOR = "successor.pt"
"""The checkpoint from which the next run of a chain resumes; the worker leaves it."""

Tell = Callable[[dict[str, Any]], None]


def existing(planned: Planned) -> Finished | None:
    """Return the record of a run that needs no training: it is done, or would end no better a second time."""
    if planned.settled and planned.found is not None:
        return Finished(planned, load(planned.found.path), planned.found.path, trained=False)
    return None


def anew(planned: Planned) -> Planned:
    """Return a run that is to be trained from the start, whatever exists of it; its checkpoint is removed."""
    shutil.rmtree(planned.folder, ignore_errors=True)
    return replace(planned, found=None)


def execute(planned: Planned, tell: Tell, successor: Planned | None = None) -> Finished:
    """Train a run and publish its record, whatever becomes of it.

    A run that was interrupted resumes from its checkpoint; one that is not done keeps its working folder under
    ``OUTPUT/runs/KEY``, with the log.

    Args:
        planned: The run.
        tell: Takes its progress events.
        successor: The run that resumes from where this one ends (`harness.plan.chains`).

    Raises:
        UsageError: The output cannot be written, or the run cannot start as configured.
    """
    run, choice = planned.run, planned.choice
    folder = writable(planned.folder)
    (folder / "record.json").unlink(missing_ok=True)
    request = _request(planned, successor)
    path = folder / "request.json"
    write_atomic(path, json.dumps(request, indent=1))
    try:
        ending = choice.runner.run(path, folder, run.runner, tell, folder / "log.txt")
        record = _record(request, folder, ending)
    except RefusedError as refused:
        record = _empty(request, refused.status, refused.reason)
    record["code"] = planned.identity.code
    if choice.image is not None:
        record["image"] = {"content": choice.image.content, "base": choice.image.base_digest}
    published = Path(run.output) / "records" / record_name(record)
    _publish(record, published, tell)
    if record["status"] == "done":
        left = folder / choice.runner.workplace / SUCCESSOR
        if successor and left.is_file() and not left.is_symlink():
            left.replace(writable(successor.folder / choice.runner.workplace) / "checkpoint.pt")
        shutil.rmtree(folder)
    return Finished(planned, record, published)


def require(run: RunConfig) -> None:
    """Make sure that a run can start: its settings fit together, its data are here, and there is somewhere to write.

    Data are downloaded where the config allows it.

    Raises:
        UsageError: One of these does not hold.
    """
    from harness.training.prepare import prepare

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


def _request(planned: Planned, successor: Planned | None) -> dict[str, Any]:
    """Return what the worker reads."""
    request = {
        "config": config.to_dict(planned.run),
        "key": planned.key,
        "runner": planned.choice.name,
        "plugins": planned.run.plugins,
        "sources": {"method": planned.sources.method, "model": planned.sources.model},
        "provenance": {
            **provenance.source(),
            "method_sha256": planned.sources.method,
            "data_sha256": planned.identity.data,
            **planned.choice.provenance,
        },
    }
    return request | ({"successor": successor.key} if successor else {})


def _record(request: dict[str, Any], folder: Path, ending: Ending) -> Record:
    """Return what the inside left if it is a record of this run, with the ending that the runner saw."""
    try:
        record = load(folder / "record.json")
    except (OSError, RecordError) as error:
        return _empty(request, ending.status or "failed", ending.reason or f"the run left no valid record: {error}")
    if record["key"] != request["key"]:
        reason = ending.reason or "the run left a record of another run"
        return _empty(request, ending.status or "failed", reason)
    if ending.status is not None:
        record.update(status=ending.status, reason=ending.reason)
    return record


def _empty(request: dict[str, Any], status: str, reason: str) -> Record:
    """Return the record of a run that left nothing."""
    record = empty(request["config"], request["key"], request["runner"])
    record["provenance"].update(request["provenance"])
    record.update(status=status, reason=reason)
    return record


def _publish(record: Record, path: Path, tell: Tell) -> None:
    """Write a record, unless a settled one would be replaced by one that is not."""
    if record["status"] not in SETTLED and path.exists():
        try:
            before = load(path)["status"]
        except (OSError, RecordError):
            before = None
        if before in SETTLED:
            tell({"event": "log", "text": f"{path.name}, which is {before}, stays: this time {record['reason']}"})
            return
    write(record, path)
