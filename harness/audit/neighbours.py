"""The other records of a folder, indexed once: a record is checked against them too."""

from collections import defaultdict
from typing import NamedTuple

from harness.records import Record, identity

SEEDS = 3
"""A submission shows each method, sparsity and task with at least this many seeds, whatever became of them."""

_HEAD = ("method", "dataset", "model", "sparsity", "runner")

Row = tuple[str, ...]


class _Entry(NamedTuple):
    key: str
    row: Row
    seed: int
    genuine: bool


class Neighbours:
    """The keys, rows and seeds of the records of one folder."""

    def __init__(self) -> None:
        """Begin with none."""
        self._entries: dict[str, _Entry] = {}
        self._files: dict[str, list[str]] = defaultdict(list)
        self._seeds: dict[Row, set[int]] = defaultdict(set)

    def add(self, file: str, record: Record, *, genuine: bool) -> None:
        """Take in a record.

        Args:
            file: Its name, different for each.
            record: A record that keeps its schema.
            genuine: Whether name and head of the file are what its config says. A copy under another name is refused
                for that; it does not cause the refusal of the record that it was copied from.
        """
        entry = self._entries[file] = _Entry(record["key"], _row(file, record), record["seed"], genuine)
        self._files[entry.key].append(file)
        self._seeds[entry.row].add(entry.seed)

    def refusals(self, file: str) -> list[str]:
        """Return what the neighbours of a record say against it; nothing about a file that was not added."""
        if file not in self._entries:
            return []
        key, row, _, genuine = self._entries[file]
        found = []
        others = [other for other in self._files[key] if other != file]
        if genuine:
            others = [other for other in others if self._entries[other].genuine]
        if others:
            found.append(f"key: {others[0]} has the same key {key}; a run has one result")
        if len(seeds := self._seeds[row]) < SEEDS:
            shown = ", ".join(map(str, sorted(seeds)))
            found.append(f"seeds: only {shown}; a submission has at least {SEEDS}, including those that failed")
        return found


def _row(file: str, record: Record) -> Row:
    """Return what runs that differ only in their seed have in common."""
    try:
        shared = identity.row(record["config"])
    except (AttributeError, KeyError, TypeError, ValueError):
        shared = file  # a config without its parts is in no row but its own
    return (*(str(record[name]) for name in _HEAD), shared)
