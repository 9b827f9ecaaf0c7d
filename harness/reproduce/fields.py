"""Reads the part ``paper:`` of a suite: each fault is named with its part of the file, its field and its value."""

import csv
import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from harness.config import names
from harness.errors import UsageError, nearest, short, unknown
from harness.places import TREE
from harness.plan import grid
from harness.records.schema_1 import NOT_THE_RUN
from methods import methods

NOT_THE_ROW = frozenset(("seed", "device", "loader", "evaluations"))
"""What tells runs of one row apart, or says where and how often a run is looked at, but not what it trains."""

NEAR = 0.005
"""Share of a density by which a paper may round it: 0.9192 is 91/99."""


class Reader:
    """Reads the fields of a part of the file."""

    def __init__(self, where: str, part: Any, usual: Mapping[str, Any] | None = None) -> None:
        """Take a part.

        Args:
            where: Names it, ``paper mine: rows[0]``.
            part: What the file has there.
            usual: Values of fields that it does not state.

        Raises:
            UsageError: It has no fields.
        """
        if not isinstance(part, Mapping):
            raise UsageError(f"{where}: {short(part)} is not names with values")
        self.where = where
        self._part: dict[str, Any] = {**(usual or {}), **{str(name): value for name, value in part.items()}}

    def __contains__(self, name: str) -> bool:
        return self._part.get(name) is not None

    def text(self, name: str, *, needed: bool = False) -> str:
        """Return a text; empty where there is none and none is needed."""
        value = self._part.get(name)
        if value is None and not needed:
            return ""
        if not isinstance(value, str) or (needed and not value.strip()):
            what = f"{name} is missing" if value is None else f"{name} {short(value)} is not a text"
            raise UsageError(f"{self.where}: {what}: write one, in quotes if it has a colon")
        return " ".join(value.split())

    def number(self, name: str, least: float = -math.inf) -> float:
        """Return a number of ``least`` or more."""
        value = self._part.get(name)
        if not is_number(value) or not least <= value < math.inf:
            bound = "" if least == -math.inf else f" of {least:g} or more"
            what = f"{name} is missing: write" if value is None else f"{name} {short(value)} is not"
            raise UsageError(f"{self.where}: {what} a number{bound}")
        return float(value)

    def whole(self, name: str, least: int) -> int:
        """Return a whole number of ``least`` or more."""
        value = self._part.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(f"{self.where}: {name} {short(value)} is not a whole number of {least} or more")
        return value

    def flag(self, name: str) -> bool:
        """Return true or false; the latter where the part has no such field."""
        value = self._part.get(name)
        if value is not None and not isinstance(value, bool):
            raise UsageError(f"{self.where}: {name} {short(value)} is not true or false")
        return bool(value)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return one of the words that are allowed, the first where the part has no such field."""
        value = self._part.get(name, allowed[0])
        if value not in allowed:
            raise unknown(f"{name} of {self.where}", value, allowed)
        return str(value)

    def items(self, name: str) -> list[Any]:
        """Return a list; empty where the part has no such field."""
        value = self._part.get(name)
        if value is not None and not isinstance(value, list):
            raise UsageError(f"{self.where}: {name} {short(value)} is not a list")
        return value or []

    def sentences(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        found = self.items(name)
        if not all(isinstance(each, str) for each in found):
            raise UsageError(f"{self.where}: {name} is not a list of sentences; quote one that has a colon")
        return tuple(" ".join(each.split()) for each in found)

    def settings(self, name: str) -> dict[str, Any]:
        """Return settings that several rows share; empty where the part has no such field."""
        value = self._part.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise UsageError(f"{self.where}: {name} {short(value)} is not settings with values, as in sparsity: 0.9")
        return {str(setting): each for setting, each in (value or {}).items()}

    def key(self) -> str:
        """Return the field ``key``, a row of a file in ``benchmarks/published``; empty where there is none."""
        found = self.text("key")
        known = _published_keys() if found else frozenset()
        if found and found not in known:
            meant = nearest(found, known)
            hint = f"; did you mean {meant!r}?" if meant else ""
            raise UsageError(f"{self.where}: key {short(found)}: allowed are those of benchmarks/published/*.csv{hint}")
        return found

    def nothing_else(self, allowed: Iterable[str]) -> None:
        """Refuse fields that are not allowed."""
        allowed = tuple(allowed)
        for name in self._part:
            if name not in allowed:
                raise unknown(f"field of {self.where}", name, allowed)

    def others(self, fields: Collection[str]) -> dict[str, Any]:
        """Return what is no field."""
        return {name: value for name, value in self._part.items() if name not in fields}


def _published_keys() -> frozenset[str]:
    """Return the keys of ``benchmarks/published``, of the project and of the current folder."""
    found: set[str] = set()
    for folder in (TREE / "published", Path("benchmarks", "published")):
        for path in folder.glob("*.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                found |= {row["key"] for row in csv.DictReader(file) if row.get("key")}
    return frozenset(found)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Tell whether a value of the file is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def near(value: float, wanted: float) -> bool:
    """Tell whether a sparsity is that which a paper states, maybe rounded; only dense is at 0."""
    return abs(value - wanted) <= NEAR * (1 - value) and (value == 0) == (wanted == 0)


@dataclass(frozen=True)
class Allowed:
    """What rows of a paper's table may name.

    Attributes:
        methods: Those that the suite trains, or would if they existed; None if that cannot be told from its file.
        sparsities: Those that its file lists; none if it lists none.
    """

    methods: frozenset[str] | None
    sparsities: tuple[float, ...]

    @classmethod
    def of(cls, paper: str) -> "Allowed":
        """Return what the suite of a paper allows."""
        named, known = grid.values(paper, "method"), methods()
        groups = {name for name, method in known.items() if method.family in named or "all" in named}
        told = bool(named) and all(name.isidentifier() for name in named)
        levels = (_float(text) for text in grid.values(paper, "sparsity"))
        return cls(
            frozenset(named | groups) if told else None, tuple(sorted(each for each in levels if each is not None))
        )

    def require(self, where: str, given: Any, fields: Iterable[str] = ()) -> dict[str, Any]:
        """Return the settings that a row names.

        Args:
            where: The row.
            given: Its settings by name.
            fields: What else such a row may have.

        Raises:
            UsageError: They are not settings that a run of the suite can have.
        """
        if not isinstance(given, Mapping) or given.get("method") is None:
            raise UsageError(
                f"{where}: names no method; write the settings of its runs, as in method: set, sparsity: 0.9"
            )
        settings = {str(name): value for name, value in given.items()}
        method = settings["method"]
        if not isinstance(method, str):
            raise UsageError(f"{where}: method {short(method)} is not one name: write a row for each method")
        if self.methods is not None and method not in self.methods:
            raise unknown(f"method of {where}", method, self.methods)
        for name, value in settings.items():
            _require_setting(where, name, method, fields)
            if isinstance(value, Mapping) or value == []:
                raise UsageError(f"{where}: {name} {short(value)} is neither a value nor a list of values")
        if "sparsity" in settings:
            self._require_sparsity(where, settings["sparsity"])
        return settings

    def _require_sparsity(self, where: str, given: Any) -> None:
        levels = {*self.sparsities, 0.0}
        for value in given if isinstance(given, list) else [given]:
            listed = ", ".join(f"{level:.6g}" for level in self.sparsities)
            allowed = f"allowed are {listed}" if listed else "a sparsity is a number of at least 0 and below 1"
            known = is_number(value) and 0 <= value < 1
            if not known or (self.sparsities and not any(near(level, value) for level in levels)):
                raise UsageError(f"{where}: sparsity {short(value)}: {allowed}")


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _require_setting(where: str, name: str, method: str, fields: Iterable[str]) -> None:
    known = methods()
    if method not in known and name.startswith("method."):  # one that does not exist, or not yet
        return
    allowed = _settings(method if method in known else "dense")
    if name in allowed:
        return
    group = name.rpartition(".")[0]
    raise unknown(
        f"field of {where}" if not group else f"setting of {where}",
        name,
        [*(() if group else fields), *(each for each in allowed if each.rpartition(".")[0] == group)] or allowed,
    )


@cache
def _settings(method: str) -> frozenset[str]:
    every = {*names.settings(type(methods()[method])), *names.GROUPS}
    return frozenset(name for name in every if name.partition(".")[0] not in {*NOT_THE_ROW, *NOT_THE_RUN})


def same(settings: Mapping[str, Any]) -> str:
    """Return settings as text, the same for those that are the same."""
    return json.dumps(settings, sort_keys=True, default=str)
