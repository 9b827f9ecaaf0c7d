"""How far each method of a table can be made sparse before it falls behind dense by more than a margin.

A method *holds* up to the highest sparsity such that there, and at each lower one that it was run at, it is shown to
be less than the margin below dense. It *breaks* from the lowest sparsity such that there, and at each higher one, it
is shown to be more than the margin below dense, or a seed diverged or was invalid. Between the two nothing is shown.

Going up until the first test fails needs no correction for the number of sparsities (a fixed sequence of tests); nor
does going down. The level is divided by two for the two directions, and by the number of methods, so that all that is
said of one table holds together.
"""

import functools
from dataclasses import dataclass
from itertools import takewhile

from harness.board import levels
from harness.board.levels import Level
from harness.board.pairs import Family, compare
from harness.board.scale import Scale, scale_of
from harness.board.statistics import t_quantile
from harness.board.tables import REFERENCE, Row, Table

MARGIN = 0.01
"""One point, of what is whole."""


@dataclass(frozen=True)
class Gap:
    """How a row compares with dense on the seeds of its level.

    Attributes:
        below: Mean gain of dense minus that of the row: how much worse the row is.
        half_width: Half an interval that holds for all methods of the table at this sparsity together.
        margin: `MARGIN` of what is whole.
    """

    below: float
    half_width: float
    margin: float = MARGIN

    @property
    def within(self) -> bool:
        """Whether the row is shown to be less than the margin below dense."""
        return self.below + self.half_width < self.margin

    @property
    def beyond(self) -> bool:
        """Whether it is shown to be more than that below."""
        return self.below - self.half_width > self.margin


@dataclass(frozen=True)
class Breakdown:
    """What is shown of one method against dense.

    Attributes:
        method: Its name on the board.
        holds: The highest sparsity up to which it is within the margin; None if that is shown nowhere.
        breaks: The lowest sparsity from which on it is not; None if that is shown nowhere.
        train_flops_ratio: The least training FLOPs, as a multiple of dense's, of the rows up to ``holds``.
    """

    method: str
    holds: float | None
    breaks: float | None
    train_flops_ratio: float | None


def against_dense(table: Table) -> dict[int, Gap]:
    """Return how each ranked row compares with the dense reference, by id of the row; nothing if there is none."""
    dense = levels.reference(table)
    methods = {row.method for level in table.levels for row in level.ranked}
    if dense is None:
        return {}
    found: dict[int, Gap] = {}
    for level in table.levels:
        found |= _of_level(level, dense, len(methods), scale_of(table))
    return found


def _of_level(level: Level, dense: Row, methods: int, scale: Scale) -> dict[int, Gap]:
    seeds = range(level.seeds)
    if not level.ranked or not all(seed in dense.scores for seed in seeds):
        return {}
    rows = [tuple(gains[seed] for seed in seeds) for gains in (row.gains for row in (*level.ranked, dense))]
    family, last = _compared(tuple(rows), scale), len(level.ranked)
    found = {}
    for number, row in enumerate(level.ranked):
        pair = (number, last)
        quantile = t_quantile(family.degrees[pair], level.error / (2 * methods))
        found[id(row)] = Gap(-family.gaps[pair], quantile * family.errors[pair], MARGIN * scale.whole)
    return found


@functools.lru_cache(maxsize=4096)  # every view asks
def _compared(rows: tuple[tuple[float, ...], ...], scale: Scale) -> Family:
    return compare(rows, *scale)


def of_table(table: Table) -> list[Breakdown]:
    """Return what is shown of each method of a table against dense, by name; nothing without a dense reference."""
    gaps = against_dense(table)
    if not gaps:
        return []
    rows: dict[str, list[Row]] = {}
    for row in sorted(table.rows, key=lambda row: row.sparsity):
        if row.name != REFERENCE and not row.apart:
            rows.setdefault(row.method, []).append(row)
    said = {method: found for method, found in rows.items() if any(id(row) in gaps or row.failed for row in found)}
    return [_breakdown(method, found, gaps) for method, found in sorted(said.items())]


def _breakdown(method: str, rows: list[Row], gaps: dict[int, Gap]) -> Breakdown:
    held = list(takewhile(lambda row: id(row) in gaps and gaps[id(row)].within, rows))
    broken = list(takewhile(lambda row: row.failed or (id(row) in gaps and gaps[id(row)].beyond), reversed(rows)))
    costs = [cost for row in held if (cost := row.mean("cost", "train_flops_ratio")) is not None]
    return Breakdown(
        method,
        held[-1].sparsity if held else None,
        broken[-1].sparsity if broken else None,
        min(costs, default=None),
    )
