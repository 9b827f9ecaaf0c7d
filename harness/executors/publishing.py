"""Publishing: the record and the network of a run, from its working folder to ``OUTPUT``."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness import plugins
from harness.errors import first_line
from harness.executors.causes import is_of_machine, unwritable
from harness.networks import keep
from harness.plan.existing import SETTLED
from harness.plan.planned import Planned
from harness.records import Record, RecordError, cell_name, is_trial, load, write
from harness.tasks import base, models
from harness.training.network import FINAL

Tell = Callable[[dict[str, Any]], None]
Stamp = tuple[int, int]
"""Tells whether a file is still the same: its time and number; zeros where there is none."""

_WORTH = dict.fromkeys(SETTLED, 1) | {"done": 2}
"""By status, 0 for the others: no record is replaced by one that is worth less."""


def record_path(planned: Planned) -> Path:
    """Return the file of a run's record."""
    run = planned.run
    cell = cell_name(run.dataset.name, run.model.name, run.method.name, run.sparsity, run.seed)
    return Path(run.output) / "records" / f"{cell}-{planned.key}.json"


def seen(planned: Planned) -> Stamp:
    """Return the stamp of the record that a run had when it was planned."""
    path = record_path(planned)
    return _stamp(path) if planned.found is not None and planned.found.path.name == path.name else (0, 0)


def published(planned: Planned, before: Stamp | None = None) -> Record | None:
    """Return a run's record if it makes training unnecessary: another process may have written it meanwhile.

    Args:
        planned: The run.
        before: The stamp of the record that is known (`seen`). A later one counts too if the run failed by itself: it
            would do so again.
    """
    path = record_path(planned)
    try:
        now, record = _stamp(path), load(path)
    except (OSError, RecordError):
        return None
    failed = before is not None and now != before and record["key"] == planned.key and not is_of_machine(record)
    return record if failed or _settles(record, planned.key) else None


def finished(planned: Planned, folder: Path) -> Record | None:
    """Return the record that the run's folder holds if it needs no training: publishing it has failed before."""
    try:
        record = load(folder / "record.json")
    except (OSError, RecordError):
        return None
    return record if _settles(record, planned.key) else None


def publish(planned: Planned, record: Record, folder: Path, tell: Tell) -> Path:
    """Write the record of a run, unless a better one would be replaced by it; return its file.

    The network of a run that is done is kept first, and the record says so. A network that cannot be kept is no reason
    to lose its record: a line says why.

    Args:
        planned: The run.
        record: What becomes its record.
        folder: Its working folder.
        tell: Takes a line about what was not written.

    Raises:
        UsageError: It cannot be written; what the run left stays in its folder.
    """
    path = record_path(planned)
    before = _status(path) if record["status"] != "done" else None
    if _worth(before) > _worth(record["status"]):
        tell({"event": "log", "text": f"{path.name}, which is {before}, stays: this time {record['reason']}"})
        return path
    record.pop("network", None)  # said here, whatever a run may claim
    _keep_network(planned, record, folder / planned.choice.runner.workplace / FINAL, tell)
    try:
        _write(planned, record, path, tell)
    except OSError as error:
        kept = f"; the finished record is kept in {folder}: once that is mended, run it again, which trains nothing"
        more = kept if record["status"] in SETTLED else ""
        raise unwritable(f"{path.parent}: cannot be written to", error, more) from None
    return path


def _write(planned: Planned, record: Record, path: Path, tell: Tell) -> None:
    """Write a record; where the network has taken the last room on the disk, the record gets it."""
    try:
        write(record, path)
    except OSError as error:
        if "network" not in record:
            raise
        del record["network"]
        _drop_network(planned)
        write(record, path)
        _not_kept(planned, error, tell)


def _keep_network(planned: Planned, record: Record, left: Path, tell: Tell) -> None:
    """Keep the network of a run that is done, and say so in its record; none of a trial, or with ``keep=none``.

    Args:
        planned: The run.
        record: Its record.
        left: The network. If the run was trained in a container, it is the file that the referee has judged.
        tell: Takes a line if it cannot be kept.
    """
    if record["status"] != "done" or planned.run.keep == "none" or is_trial(record):
        _drop_network(planned)
        return
    try:
        path = keep.path_of(planned.run.output, planned.key)
        record["network"] = keep.keep(left, path, record, _about(planned, record))._asdict()
    except (OSError, ValueError, MemoryError) as error:
        _drop_network(planned)
        _not_kept(planned, error, tell)


def _drop_network(planned: Planned) -> None:
    """Remove the network that an earlier training has left, which is not that of the record."""
    with suppress(OSError):
        keep.path_of(planned.run.output, planned.key).unlink(missing_ok=True)


def _not_kept(planned: Planned, error: Exception, tell: Tell) -> None:
    why = "the run left none" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None)
    tell({"event": "log", "text": f"the network of {planned.key} is not kept: {why or first_line(error)}"})


def _about(planned: Planned, record: Record) -> dict[str, Any]:
    """Return which run a network is of, with what is needed to build its model again."""
    run, sources = planned.run, planned.sources
    options = {name: value for name, value in run.model.options().items() if name != "width"}
    tokens = base.inputs(vars(run.dataset)).tokens
    foreign = {
        "method": sources.method if plugins.is_foreign(run.method) else None,
        "model": None if models.builder(run.model.name).__module__.startswith("harness.") else sources.model,
    }
    return {
        "key": record["key"],
        "method": run.method.name,
        "paper": type(run.method).paper,
        "task": f"{run.dataset.name}/{run.model.name}",
        "dataset": run.dataset.name,
        "model": run.model.name,
        "width": run.model.width,
        **({"options": options} if options else {}),
        "sparsity": run.sparsity,
        "seed": run.seed,
        **{name: getattr(run.dataset, name) for name in ("classes", "shape", "mean", "std")},
        **({} if tokens is None else {"tokens": tokens}),
        "plugins": {group: digest for group, digest in foreign.items() if digest is not None},
    }


def _settles(record: Record, key: str) -> bool:
    return bool(record["key"] == key and record["status"] in SETTLED)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _status(path: Path) -> str | None:
    try:
        return str(load(path)["status"])
    except (OSError, RecordError):
        return None


def _worth(status: str | None) -> int:
    return _WORTH.get(str(status), 0)
