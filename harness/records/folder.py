"""Reads all records of a folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.records.record import Record, is_trial
from harness.records.store import load
from harness.records.validate import RecordError

TRIAL = "a trial of tuning, scored on the validation split alone"
"""Why a trial is not a result."""


class Problem(NamedTuple):
    """A file among the records that is not one: it is named and kept, and left off the board."""

    file: str
    reason: str


def load_files(folder: Path | str, *, trials: bool = False) -> tuple[dict[str, Record], list[Problem]]:
    """Read every ``*.json`` of a folder.

    Args:
        folder: Where records are; one that does not exist holds none.
        trials: Whether trials of tuning count; otherwise they are among the files that are not records of results.

    Returns:
        The records by file name, and the files that are not records with the reason; both in the order of names.
    """
    records: dict[str, Record] = {}
    problems: list[Problem] = []
    for path in record_paths(folder):
        found = load_or_problem(path)
        if not isinstance(found, Problem) and is_trial(found) and not trials:
            found = Problem(path.name, TRIAL)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            records[path.name] = found
    return records, problems


def record_paths(folder: Path | str) -> Iterator[Path]:
    """Yield the ``*.json`` of a folder in the order of names, hidden ones left out; the folder is listed once."""
    folder = Path(folder)
    if folder.is_dir():
        names = os.listdir(folder)
        yield from (folder / name for name in sorted(names) if name.endswith(".json") and not name.startswith("."))


def load_or_problem(path: Path) -> Record | Problem:
    """Read one record, or say why the file is not one."""
    try:
        return load(path)
    except (RecordError, OSError) as error:
        return problem(path.name, error)


def problem(file: str, error: RecordError | OSError) -> Problem:
    """Return a file that cannot be read, or is not what its folder holds, with the reason."""
    return Problem(file, f"unreadable: {error.strerror}" if isinstance(error, OSError) else str(error))
