"""Finds the existing records of planned runs; a folder is listed once."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.records import Record, RecordError, load
from harness.records.identity import Identity, of_record

SETTLED = ("done", "invalid", "diverged")
"""Statuses that a run has again each time it is trained; the others are of the machine or its user."""


@dataclass(frozen=True)
class Found:
    """The record nearest to a planned run.

    Attributes:
        path: Its file.
        status: Its status.
        differences: Why it is another run; empty if it is this one.
    """

    path: Path
    status: str
    differences: tuple[str, ...] = ()

    @property
    def settles(self) -> bool:
        """Whether it makes training the run unnecessary."""
        return not self.differences and self.status in SETTLED


class Existing:
    """The records of a folder, found by identity.

    A record's name begins with its cell (task, method, sparsity, seed) and ends with its key, so that only the few
    records of one cell are ever read: that of the same key, or those whose key another schema or code made.
    """

    def __init__(self, folder: Path) -> None:
        """List the folder, which need not exist."""
        self._folder = folder
        self._names: dict[str, list[str]] = defaultdict(list)
        self._read: dict[str, tuple[Identity, str] | None] = {}
        if folder.is_dir():
            for name in sorted(os.listdir(folder)):
                cell, dash, key = name.rpartition("-")
                if dash and key.endswith(".json"):
                    self._names[cell].append(name)

    def find(self, cell: str, identities: Sequence[Identity]) -> Found | None:
        """Return the record of the first of these identities that has one, else the nearest record of the cell.

        Args:
            cell: The beginning of the record's name.
            identities: Those that would do, of the same code, the preferred one first.
        """
        known = {name: found for name in self._names.get(cell, []) if (found := self._identity(name)) is not None}
        for wanted in identities:
            for name, (identity, status) in known.items():
                if _same(wanted, identity):
                    return Found(self._folder / name, status)
        others = [
            Found(self._folder / name, status, tuple(identities[0].differences(identity.locked)))
            for name, (identity, status) in known.items()
        ]
        return min(others, key=lambda found: len(found.differences), default=None)

    def _identity(self, name: str) -> tuple[Identity, str] | None:
        if name not in self._read:
            self._read[name] = _identity(self._folder / name)
        return self._read[name]


def _same(wanted: Identity, made: Identity) -> bool:
    """Return whether a record is of the wanted run; where data are absent, nothing can speak against the record's."""
    ways = made, made.locked  # its code may have been locked since
    return wanted.key in [(each if wanted.data else replace(each, data=None)).key for each in ways]


def _identity(path: Path) -> tuple[Identity, str] | None:
    """Return a file's identity and status; None for one that is not a readable record of a run."""
    try:
        record: Record = load(path)
        return of_record(record), str(record["status"])
    except (RecordError, OSError, KeyError, TypeError, AttributeError):
        return None
