"""What a paper published, from the part ``paper:`` of its suite in ``benchmarks/suite/papers``.

A row says which runs of the suite stand for it by the settings that they have, ``{method: set, sparsity: 0.99}``, so
that any setting can tell rows apart. docs/reproduce.md describes the file.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError, short, unknown
from harness.plan import grid

SPREADS = ("std", "standard error", "half a 95 % interval", "range")
"""What a published ± can be."""

MEASURES = ("score", "collapsed")
"""What can be published of a row: the value of the task's metric on the test set, or 1 if a layer is left empty."""

Where = Mapping[str, Any]
"""Values by setting, ``{"method": "set", "sparsity": 0.99}``; of a list each will do."""


@dataclass(frozen=True)
class Published:
    """A published number.

    Attributes:
        value: As the task's metric is shown, so accuracy in per cent.
        spread: Its ±, in the same unit; None where not given.
        kind: What that is, one of `SPREADS`; empty where not given.
        n: Runs that it is the mean of; None where not known.
    """

    value: float
    spread: float | None = None
    kind: str = ""
    n: int | None = None


@dataclass(frozen=True)
class Line:
    """A row of a paper's table.

    Attributes:
        where: Settings of the runs that stand for it.
        published: None for runs of the suite that the paper has no number for.
        measure: One of `MEASURES`.
        tolerance: Largest difference that counts as none, in the unit of the number.
        key: Names it in ``benchmarks/published``; may be empty.
        note: What is to be known of it.
        why: What is known of why it is not reproduced.
    """

    where: Where
    published: Published | None
    measure: str = "score"
    tolerance: float = 0.0
    key: str = ""
    note: str = ""
    why: str = ""


@dataclass(frozen=True)
class Ordering:
    """Rows that a paper orders, the best first: settings of each."""

    said: str
    order: tuple[Where, ...]


@dataclass(frozen=True)
class Paper:
    """A paper's table.

    Attributes:
        name: Of its suite.
        title: Authors, year and title.
        source: Where the numbers were read.
        table: Which table or figure.
        known: What is known of the protocol.
        guessed: What had to be guessed, or is done otherwise, a sentence each.
        tolerance: Of rows that state none.
        tolerance_why: Where it comes from.
        measure: Of rows that state none.
        lines: The published rows.
        orderings: What the paper orders.
    """

    name: str
    title: str
    source: str
    table: str
    known: str
    guessed: tuple[str, ...]
    tolerance: float
    tolerance_why: str
    measure: str
    lines: tuple[Line, ...]
    orderings: tuple[Ordering, ...]


def read(name: str) -> Paper:
    """Read what a paper published.

    Args:
        name: Of a file in ``benchmarks/suite/papers``, of the current folder or of the project.

    Raises:
        UsageError: There is no such paper, or its file does not hold what it has to.
    """
    if not name:
        raise UsageError(f"reproduce needs a paper: PAPER=name, one of {', '.join(grid.papers())}")
    if name not in grid.papers():
        raise unknown("paper", name, grid.papers())
    part = grid.paper(name)
    reader = _Reader(f"paper {name}", part)
    tolerance = reader.number("tolerance", least=0)
    usual = {field: part[field] for field in ("n", "spread_is", "measure") if field in part}
    lines = [
        _line(f"paper {name}: rows[{number}]", row, usual, tolerance) for number, row in enumerate(reader.items("rows"))
    ]
    orderings = [
        _ordering(f"paper {name}: orderings[{number}]", each) for number, each in enumerate(reader.items("orderings"))
    ]
    found = Paper(
        name=name,
        **{field: reader.text(field) for field in ("title", "source", "table", "known", "tolerance_why")},
        guessed=reader.sentences("guessed"),
        tolerance=tolerance,
        measure=reader.choice("measure", MEASURES) if "measure" in reader else MEASURES[0],
        lines=tuple(lines),
        orderings=tuple(orderings),
    )
    reader.nothing_else((*vars(found), *usual, "rows"))
    return found


def _line(where: str, row: Any, usual: Mapping[str, Any], tolerance: float) -> Line:
    reader = _Reader(where, row, usual)
    published = None
    if "published" in reader:
        spread = reader.number("spread", least=0) if "spread" in reader else None
        kind = reader.choice("spread_is", SPREADS) if spread is not None else ""
        n = int(reader.number("n", least=1)) if "n" in reader else None
        published = Published(reader.number("published"), spread, kind, n)
    settings = {name: value for name, value in row.items() if name not in _OF_A_LINE}
    return Line(
        where=_settings(where, settings),
        published=published,
        measure=reader.choice("measure", MEASURES) if "measure" in reader else MEASURES[0],
        tolerance=reader.number("tolerance", least=0) if "tolerance" in reader else tolerance,
        **{name: reader.text(name) for name in ("key", "note", "why")},
    )


_OF_A_LINE = frozenset(
    ("published", "spread", "spread_is", "n", "key", "tolerance", "measure", "note", "why"),
)


def _ordering(where: str, given: Any) -> Ordering:
    reader = _Reader(where, given)
    at = given.get("at") or {}
    rows = [{"method": each} if isinstance(each, str) else each for each in reader.items("order")]
    if len(rows) < 2:
        raise UsageError(f"{where}: order: needs two rows or more, the best first")
    order = tuple(_settings(where, {**at, **each}) for each in rows)
    reader.nothing_else(("said", "at", "order"))
    said = reader.text("said") or " > ".join(words(each) for each in order)
    return Ordering(said, order)


def words(where: Where) -> str:
    """Return settings in words: ``set 0.99`` for a method and its sparsity, the others by name."""
    first = [f"{where[name]}" for name in ("method", "sparsity") if name in where]
    rest = [f"{name}={value}" for name, value in where.items() if name not in ("method", "sparsity")]
    return " ".join([*first, *rest])


def _settings(where: str, settings: Any) -> Where:
    if not isinstance(settings, Mapping) or not settings or "method" not in settings:
        raise UsageError(f"{where}: names no method; write the settings of its runs, as in method: set, sparsity: 0.9")
    return {str(name): value for name, value in settings.items()}


class _Reader:
    """Reads the fields of a part of the file, and names the part and the field where one is wrong."""

    def __init__(self, where: str, part: Any, usual: Mapping[str, Any] | None = None) -> None:
        if not isinstance(part, Mapping):
            raise UsageError(f"{where}: {short(part)} is not names with values")
        self._where, self._part = where, {**(usual or {}), **part}

    def __contains__(self, name: str) -> bool:
        return self._part.get(name) is not None

    def text(self, name: str) -> str:
        return " ".join(str(self._part.get(name) or "").split())

    def number(self, name: str, least: float = -math.inf) -> float:
        value = self._part.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
            bound = "" if least == -math.inf else f" of {least:g} or more"
            raise UsageError(f"{self._where}: {name} {short(value)} is not a number{bound}")
        return float(value)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self._part.get(name)
        if value not in allowed:
            raise unknown(f"{name} of {self._where}", value, allowed)
        return str(value)

    def items(self, name: str) -> list[Any]:
        value = self._part.get(name) or []
        if not isinstance(value, list):
            raise UsageError(f"{self._where}: {name} {short(value)} is not a list")
        return value

    def sentences(self, name: str) -> tuple[str, ...]:
        found = self.items(name)
        if not all(isinstance(each, str) for each in found):
            raise UsageError(f"{self._where}: {name} is not a list of sentences; quote one that has a colon")
        return tuple(" ".join(each.split()) for each in found)

    def nothing_else(self, names: tuple[str, ...]) -> None:
        allowed = {*names} - {"name", "lines"}
        for name in self._part:
            if name not in allowed:
                raise unknown(f"field of {self._where}", name, allowed)
