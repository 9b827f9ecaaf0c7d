"""Publishing: the record of a run, from its working folder to ``OUTPUT/records``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.plan.existing import SETTLED
from harness.plan.planned import Planned
from harness.records import Record, RecordError, cell_name, load, write


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


def publish(record: Record, path: Path, folder: Path, tell: Callable[[dict[str, Any]], None]) -> None:
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


def _settles(record: Record, key: str) -> bool:
    return bool(record["key"] == key and record["status"] in SETTLED)
