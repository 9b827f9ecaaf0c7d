"""Publishing: the record and the network of a run, from its working folder to ``OUTPUT``."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness import plugins
from harness.errors import UsageError, first_line
from harness.networks import keep
from harness.plan.existing import SETTLED
from harness.plan.planned import Planned
from harness.records import Record, RecordError, cell_name, is_trial, load, write
from harness.tasks.vision import models
from harness.training.network import FINAL

Tell = Callable[[dict[str, Any]], None]


def record_path(planned: Planned) -> Path:
    """Return the file of a run's record."""
    run = planned.run
    cell = cell_name(run.dataset.name, run.model.name, run.method.name, run.sparsity, run.seed)
    return Path(run.output) / "records" / f"{cell}-{planned.key}.json"


def published(planned: Planned) -> Record | None:
    """Return a run's record if it makes training unnecessary: another process may have written it meanwhile."""
    try:
        record = load(record_path(planned))
    except (OSError, RecordError):
        return None
    return record if _settles(record, planned.key) else None


def finished(planned: Planned, folder: Path) -> Record | None:
    """Return the record that the run's folder holds if it needs no training: publishing it has failed before."""
    try:
        record = load(folder / "record.json")
    except (OSError, RecordError):
        return None
    return record if _settles(record, planned.key) else None


def publish(record: Record, path: Path, folder: Path, tell: Tell) -> None:
    """Write a record, unless a settled one would be replaced by one that is not.

    Raises:
        UsageError: It cannot be written; what the run left stays in its folder.
    """
    if record["status"] not in SETTLED and path.exists():
        try:
            before = load(path)["status"]
        except (OSError, RecordError):
            before = None
        if before in SETTLED:
            tell({"event": "log", "text": f"{path.name}, which is {before}, stays: this time {record['reason']}"})
            return
    try:
        write(record, path)
    except OSError as error:
        kept = f"; the finished record is kept in {folder}: once that is mended, run it again, which trains nothing"
        more = kept if record["status"] in SETTLED else ""
        raise UsageError(f"{path.parent}: cannot be written to ({error.strerror}){more}") from None


def keep_network(planned: Planned, record: Record, workplace: Path, tell: Tell) -> dict[str, Any]:
    """Keep the network of a run that is done, unless ``keep=none`` or it is a trial of tuning.

    A network that cannot be kept is no reason to lose its record: a line says why.

    Args:
        planned: The run.
        record: Its record, which is then to be published.
        workplace: Where it was trained. Of a container, its network lies there as the referee judged it.
        tell: Takes the line.

    Returns:
        What the record says of the network, under its own name there; nothing if none is kept.
    """
    path = keep.path_of(planned.run.output, planned.key)
    if planned.run.keep != "none" and not is_trial(record):
        try:
            seal = keep.keep(workplace / FINAL, path, record, _about(planned, record))
        except (OSError, ValueError, MemoryError) as error:
            why = getattr(error, "strerror", None) or first_line(error)
            tell({"event": "log", "text": f"the network of {planned.key} is not kept: {path}: {why}"})
        else:
            return {"network": seal._asdict()}
    with suppress(OSError):  # an earlier one is not of this record
        path.unlink(missing_ok=True)
    return {}


def _about(planned: Planned, record: Record) -> dict[str, Any]:
    """Return which run a network is of, with what is needed to build its model again."""
    run, sources = planned.run, planned.sources
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
        "sparsity": run.sparsity,
        "seed": run.seed,
        **{name: getattr(run.dataset, name) for name in ("classes", "shape", "mean", "std")},
        "plugins": {group: digest for group, digest in foreign.items() if digest is not None},
    }


def _settles(record: Record, key: str) -> bool:
    return bool(record["key"] == key and record["status"] in SETTLED)
