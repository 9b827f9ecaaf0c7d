"""What a paper published, from the part ``paper:`` of its suite in ``benchmarks/suite/papers``.

A row says which runs of the suite stand for it by the settings that they have, ``{method: set, sparsity: 0.99}``, so
that any setting can tell rows apart. docs/reproduce.md describes the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError, short, unknown
from harness.plan import grid
from harness.reproduce.fields import Allowed, Reader, same

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
        claim: Whether the paper says it in words, or shows it in a figure, and prints no number.
        tolerance_why: Where a tolerance of its own comes from, if not from what the paper's comes from.
    """

    where: Where
    published: Published | None
    measure: str = "score"
    tolerance: float = 0.0
    key: str = ""
    note: str = ""
    why: str = ""
    claim: bool = False
    tolerance_why: str = ""


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
        lines: The published rows, and the claims.
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
    where = f"paper {name}"
    reader = Reader(where, grid.paper(name))
    reader.nothing_else(_OF_A_PAPER)
    tolerance = reader.number("tolerance", least=0)
    usual = {field: value for field, value in grid.paper(name).items() if field in _USUAL}
    allowed = Allowed.of(name)
    rows = [(f"{where}: rows[{number}]", row) for number, row in enumerate(reader.items("rows"))]
    if not rows:
        raise UsageError(f"{where}: rows is missing: write one at least, as in docs/reproduce.md")
    lines = [_line(Reader(place, row, usual), tolerance, allowed) for place, row in rows]
    _require_once(where, lines)
    orders = enumerate(reader.items("orderings"))
    orderings = [_ordering(Reader(f"{where}: orderings[{number}]", each), allowed) for number, each in orders]
    needed, others = ("title", "tolerance_why"), ("source", "table", "known")
    return Paper(
        name=name,
        **{field: reader.text(field, needed=field in needed) for field in (*needed, *others)},
        guessed=reader.sentences("guessed"),
        tolerance=tolerance,
        measure=reader.choice("measure", MEASURES),
        lines=tuple(lines),
        orderings=tuple(orderings),
    )


_USUAL = ("n", "spread_is", "measure", "claim")
_OF_A_LINE = (*_USUAL, "published", "spread", "key", "tolerance", "tolerance_why", "note", "why")
_OF_A_PAPER = (
    *("title", "source", "table", "known", "guessed", "tolerance", "tolerance_why", "rows", "orderings"),
    *_USUAL,
)


def _line(reader: Reader, tolerance: float, allowed: Allowed) -> Line:
    settings = allowed.require(reader.where, reader.others(_OF_A_LINE), _OF_A_LINE)
    spread = reader.number("spread", least=0) if "spread" in reader else None
    if spread is not None and "spread_is" not in reader:
        raise UsageError(f"{reader.where}: spread needs spread_is, one of {', '.join(SPREADS)}")
    return Line(
        where=settings,
        published=Published(
            value=reader.number("published"),
            spread=spread,
            kind=reader.choice("spread_is", SPREADS) if spread is not None else "",
            n=reader.whole("n", least=1) if "n" in reader else None,
        ),
        measure=reader.choice("measure", MEASURES),
        tolerance=reader.number("tolerance", least=0) if "tolerance" in reader else tolerance,
        key=reader.key(),
        claim=reader.flag("claim"),
        **{name: reader.text(name) for name in ("note", "why", "tolerance_why")},
    )


def _require_once(where: str, lines: list[Line]) -> None:
    """Make sure that no row is there twice; one that was published twice has a key for each number."""
    found: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines):
        first = found.setdefault((same(line.where), line.key), number)
        if first != number:
            raise UsageError(
                f"{where}: rows[{number}]: {words(line.where)} is rows[{first}] again: where a row was published "
                "twice, each number needs a key of its own"
            )


def _ordering(reader: Reader, allowed: Allowed) -> Ordering:
    """Read an ordering; a row's own settings come before those of ``at``, which all share."""
    reader.nothing_else(("said", "at", "order"))
    at, rows = reader.settings("at"), reader.items("order")
    if len(rows) < 2:
        raise UsageError(f"{reader.where}: order: needs two rows or more, the best first")
    order = []
    for number, each in enumerate(rows):
        where = f"{reader.where}: order[{number}]"
        own = {"method": each} if isinstance(each, str) else each
        if not isinstance(own, Mapping):
            raise UsageError(f"{where} {short(each)} is neither a method nor settings, as in {{method: set}}")
        order.append(allowed.require(where, {**at, **own}))
        if order[-1] in order[:-1]:
            raise UsageError(f"{where}: {words(order[-1])} is in this order twice")
    return Ordering(reader.text("said") or " > ".join(words(each) for each in order), tuple(order))


def words(where: Where) -> str:
    """Return settings in words: ``set 0.99`` for a method and its sparsity, the others by name."""
    first = [_shown(where[name]) for name in ("method", "sparsity") if name in where]
    rest = [f"{name}={value}" for name, value in where.items() if name not in ("method", "sparsity")]
    return " ".join([*first, *rest])


def _shown(value: Any) -> str:
    """Return a value, or of a long list of numbers the first and the last."""
    return f"{min(value):.3g} to {max(value):.3g}" if isinstance(value, list) and len(value) > _LISTED else f"{value}"


_LISTED = 3
