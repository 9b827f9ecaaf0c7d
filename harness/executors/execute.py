"""From one planned run to its published record, whichever runner trains it."""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness import config
from harness.board.spending import Plan
from harness.config import RunConfig
from harness.errors import UsageError, first_line
from harness.executors.base import Finished
from harness.executors.causes import unwritable
from harness.executors.owner import TakenError, own, watched
from harness.executors.publishing import Stamp, finished, publish, published, record_path
from harness.machine import provenance
from harness.plan.planned import Planned
from harness.records import Record, RecordError, empty, load, write_atomic
from harness.records.ending import Ending, RefusedError
from harness.records.identity import canonical
from harness.tasks import base, data
from harness.training.architecture import measured
from harness.training.checkpoint import CHECKPOINT, SUCCESSOR
from harness.tuning.apply import described

Tell = Callable[[dict[str, Any]], None]


def existing(planned: Planned) -> Finished | None:
    """Return the record of a run that needs no training: it is done, or would end no better a second time."""
    if planned.settled and planned.found is not None:
        return Finished(planned, load(planned.found.path), planned.found.path, trained=False)
    return None


def anew(planned: Planned) -> Planned:
    """Return a run that is to be trained from the start, whatever exists of it."""
    return replace(planned, found=None, forced=True)


def execute(
    planned: Planned,
    tell: Tell,
    successor: Planned | None = None,
    *,
    wait: bool = True,
    looks: Plan | None = None,
    seen: Stamp | None = None,
) -> Finished:
    """Train a run and publish its record, whatever becomes of it.

    A run that was interrupted resumes from its checkpoint; one that is not done keeps its working folder under
    ``OUTPUT/runs/KEY``, with the log. If the record has come into being since the run was planned, or lies finished in
    that folder because it could not be published, nothing is trained.

    Args:
        planned: The run.
        tell: Takes its progress events.
        successor: The run that resumes from where this one ends (`harness.plan.chains`).
        wait: Whether to wait for another process that trains it.
        looks: The plan that says how many seeds there are to be; its record carries it.
        seen: The stamp of the record that the plan knew (`publishing.seen`). A later one of a run that failed by itself
            then counts as its record; None if it is to be trained all the same.

    Raises:
        TakenError: Another process trains it, and ``wait`` is false.
        LostError: Another process has taken it over, or may have: this one no longer trains it and published nothing.
        UsageError: The output cannot be written, or the run cannot start as configured.
    """
    if planned.identity.data is None:
        raise UsageError(f"the data of {planned.run.dataset.name} came after the run was planned: start it again")
    writable(planned.folder.parent)
    with own(planned.folder, tell, wait=wait) as lease:
        if planned.forced:
            _clear(planned.folder)
        elif (found := published(planned, seen)) is not None:
            return Finished(planned, found, record_path(planned), trained=False)
        folder = _working(planned.folder)
        request = _request(planned, successor)
        record = None if planned.forced else finished(planned, folder)
        if record is None:
            record = _train(planned, request, folder, watched(lease, tell))
        record |= {name: request[name] for name in ("code", "image", "tuning")}
        record["provenance"].pop("looks", None)  # said here, whatever a run may claim
        if looks is not None:
            record["provenance"]["looks"] = looks.as_record()
        lease.confirm()
        path = publish(planned, record, folder, tell)
        if record["status"] == "done":
            if successor:
                _hand_over(folder / planned.choice.runner.workplace / SUCCESSOR, successor, tell)
            _clear(folder)
        return Finished(planned, record, path)


def _train(planned: Planned, request: dict[str, Any], folder: Path, tell: Tell) -> Record:
    """Train a run and return its record.

    Raises:
        UsageError: The disk is full, or the run cannot start as configured.
    """
    run = planned.run
    path = folder / "request.json"
    try:
        (folder / "record.json").unlink(missing_ok=True)
        write_atomic(path, json.dumps(request, indent=1))
    except OSError as error:
        raise unwritable(f"output {folder}: cannot be written to", error) from None
    try:
        ending = planned.choice.runner.run(path, folder, run.runner, tell, folder / "log.txt")
        return _record(request, folder, ending)
    except RefusedError as refused:
        return _empty(request, refused.status, refused.reason)
    except OSError as error:
        place = Path(error.filename) if isinstance(error.filename, str) else folder  # or a Python that cannot start
        ours = place.is_relative_to(folder) or folder.is_relative_to(place)
        raise unwritable(f"{f'output {folder}' if ours else place}: cannot be used", error) from None


def _hand_over(checkpoint: Path, successor: Planned, tell: Tell) -> None:
    """Move a checkpoint to where the next run of a chain resumes from it, unless another process trains that one."""
    try:
        if not checkpoint.is_file() or checkpoint.is_symlink():
            return
        with own(successor.folder, tell, wait=False):
            checkpoint.replace(writable(_working(successor.folder) / successor.choice.runner.workplace) / CHECKPOINT)
    except TakenError as error:
        tell({"event": "log", "text": f"{error}, so that its own beginning is not replaced"})
    except (OSError, UsageError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        tell({"event": "log", "text": f"the next run of the chain begins anew: {why}"})


def _working(folder: Path) -> Path:
    """Make a run's working folder and return it, absolute.

    Raises:
        UsageError: It cannot be made or written to, or is a link: what a run writes and removes would lie elsewhere.
    """
    if folder.is_symlink():
        raise UsageError(f"{folder}: is a link to {os.readlink(folder)}; a run is trained in a folder of its own")
    return writable(folder)


def _clear(folder: Path) -> None:
    """Remove a run's working folder, as far as that is possible."""
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def fetch(runs: Iterable[RunConfig]) -> None:
    """Download the data that runs may download: before they are planned, since data are part of a run's identity.

    Raises:
        UsageError: They cannot be had.
    """
    wanted = {canonical(config.to_dict(run)["dataset"]): run for run in runs if run.dataset.download}
    for run in wanted.values():
        data.fetch(config.to_dict(run)["dataset"])


def require(run: RunConfig) -> None:
    """Make sure that a run can start: its settings fit together, its data are here, and there is somewhere to write.

    Raises:
        UsageError: One of these does not hold; or two counts of the model's products differ; or a task does not keep
            to its contract, or a model keeps what neither checkpoints nor kept networks hold.
    """
    from harness.audit import second_count
    from harness.training import contract, reproducible
    from harness.training.prepare import prepare

    task = prepare(run)
    second_count.require_agreement(run.model.name, task.model, base.inputs(vars(run.dataset)), task.costs.dense)
    data.fetch(config.to_dict(run)["dataset"])
    reproducible.require(run)
    contract.require(run, task.model)
    writable(Path(run.output))


def writable(folder: Path) -> Path:
    """Make a folder and return it, absolute.

    Raises:
        UsageError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(f"output {folder}: cannot be made", error) from None
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
        "code": planned.identity.code,
        "image": _image(planned),
        "tuning": described(planned.run),
        "sources": {
            "method": planned.sources.method,
            "model": planned.sources.model,
            "dataset": data.DATASETS[planned.run.dataset.name].digest,
        },
        "provenance": {
            **provenance.source(),
            "method_sha256": planned.sources.method,
            "data_sha256": planned.identity.data,
            **planned.choice.provenance,
        },
    }
    if planned.identity.code["model"] is None:  # the project's own: a stranger's model may do as its seed says
        request["costs"] = asdict(measured(planned.run))
    return request | ({"successor": successor.key} if successor else {})


def _image(planned: Planned) -> dict[str, str | None] | None:
    image = planned.choice.image
    return None if image is None else {"content": image.content, "base": image.base_digest}


def _record(request: dict[str, Any], folder: Path, ending: Ending) -> Record:
    """Return what the inside left if it is a record of this run, with the ending that the runner saw."""
    try:
        record = load(folder / "record.json")
    except (OSError, RecordError) as error:
        return _empty(request, ending.status or "failed", ending.reason or f"the run left no valid record: {error}")
    if record["key"] != request["key"]:
        return _empty(request, ending.status or "failed", ending.reason or "the run left a record of another run")
    if ending.status is not None:
        record.update(status=ending.status, reason=ending.reason)
    return record


def _empty(request: dict[str, Any], status: str, reason: str) -> Record:
    """Return the record of a run that left nothing."""
    record = empty(request["config"], request["key"], request["runner"])
    record["provenance"].update(request["provenance"])
    record.update(status=status, reason=reason)
    return record
