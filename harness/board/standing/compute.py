"""How methods stand over all declared cells: who wins where, and from four tasks on by how much (docs/standing.md)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.board import eligible
from harness.board.levels import Level
from harness.board.standing import draws, errors
from harness.board.standing.declared import Cell, Declared
from harness.board.tables import REFERENCE, Row, Table
from harness.config import recipes
from harness.records.metrics import Metric

FEWEST_TASKS = 4
"""With fewer tasks there is a win matrix alone: an interval over tasks would be a guess."""

FACTORS = (1.0, 1.1, 1.25, 1.5, 2.0)
"""Multiples of the least error at which a profile is shown."""

Pair = tuple[str, str]


class Figures(NamedTuple):
    """How a method stands over at least `FEWEST_TASKS` tasks.

    Attributes:
        improvability: Weighted mean over cells of 1 − least error / own error: the share of its error that the best
            method of the cell does without.
        interval: What the draws leave of that, and of its rank.
        profile: The weight of the cells in which its error is at most so many times the least, for each of `FACTORS`.
        area: The mean of the profile over all factors from 1 to 2.
    """

    improvability: float
    interval: draws.Interval
    profile: tuple[float, ...]
    area: float


@dataclass
class Line:
    """One submitted method.

    Attributes:
        method: Its name.
        cells: In how many cells it has a result on every required seed.
        why: Why it is not placed; empty if it is.
        wins: The mean of its shares of wins over each other placed method; None if it is alone or not placed.
        figures: None where it is not placed, or for too few tasks.
    """

    method: str
    cells: int
    why: str = ""
    wins: float | None = None
    figures: Figures | None = None


@dataclass
class Standing:
    """The standing over a list of cells.

    Attributes:
        declared: The list.
        found: How many of its cells have a table here.
        lines: Placed methods first, best share of wins (or least improvability) first; then the others by name.
        wins: For each ordered pair of placed methods, the weight of the cells in which the first has the lower error;
            a tie counts half.
        shown: For each of these pairs, in how many cells the first is shown to be better by the test of its level.
        metrics: What the runs of its cells are compared by.
        boundless: Metrics of tables that fill no cell, since nothing says how far from the best a result is.
        local: Tasks whose tables rank local rows.
    """

    declared: Declared
    found: int
    lines: list[Line] = field(default_factory=list)
    wins: dict[Pair, float] = field(default_factory=dict)
    shown: dict[Pair, int] = field(default_factory=dict)
    metrics: set[Metric] = field(default_factory=set)
    boundless: set[Metric] = field(default_factory=set)
    local: set[str] = field(default_factory=set)

    @property
    def placed(self) -> list[Line]:
        """The methods that lack no cell."""
        return [line for line in self.lines if not line.why]


class _Filled(NamedTuple):
    """A declared cell with its table."""

    cell: Cell
    level: Level
    chance: float
    rows: dict[str, Row]
    errors: dict[str, list[float]]


def make(tables: Sequence[Table], declared: Declared) -> Standing | None:
    """Return the standing of a board's methods; None if it has no record of a declared cell."""
    chosen = [(cell, found) for cell in declared.cells if (found := _chosen(cell, tables))]
    if not chosen:
        return None
    filled = [each for cell, (table, level) in chosen if (each := _fill(cell, table, level))]
    made = Standing(declared, len(filled))
    made.metrics = {table.metric for _, (table, _) in chosen}
    made.boundless = {table.metric for _, (table, _) in chosen if errors.measure(table) is None}
    made.local = {f"{table.dataset}/{table.model}" for _, (table, _) in chosen if table.local}
    names = sorted({name for each in filled for name in each.rows})
    made.lines = [_line(name, filled, len(declared.cells)) for name in names]
    placed = [line.method for line in made.placed]
    if len(placed) > 1:
        _compare(made, placed, filled)
        if declared.tasks >= FEWEST_TASKS:
            for line, figures in zip(made.placed, _figures(placed, filled, declared), strict=True):
                line.figures = figures
    made.lines.sort(key=_order)
    return made


def _order(line: Line) -> tuple[bool, float, float, str]:
    improvability = line.figures.improvability if line.figures else 0.0
    return (bool(line.why), improvability, -(line.wins or 0.0), line.method)


def _chosen(cell: Cell, tables: Sequence[Table]) -> tuple[Table, Level] | None:
    """Return the table of a cell: the recipe must have its own values, so records of other values fill no cell.

    Of several tables, as of a recipe that is not declared here or of several numbers of trials, the one with the most
    ranked rows counts.
    """
    fitting = [
        (table, level)
        for table in tables
        if cell.fits(table) and recipes.unchanged(table.task["recipe"], table.space)
        for level in table.levels
        if round(level.sparsity, 9) == cell.sparsity
    ]
    return max(fitting, key=lambda pair: len(pair[1].ranked), default=None)


def _fill(cell: Cell, table: Table, level: Level) -> _Filled | None:
    """Return a cell with its errors; None if nothing says how far from the best its results are."""
    measured = errors.measure(table)
    if measured is None:
        return None
    rows = _submitted(row for row in table.rows if row.sparsity == level.sparsity)
    found = {name: made for name, row in rows.items() if (made := _errors(row, level.seeds, measured))}
    return _Filled(cell, level, measured.chance, rows, found)


def _submitted(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the row that stands for each method at one sparsity."""
    found: dict[str, Row] = {}
    for row in rows:
        if not row.apart and row.name != REFERENCE and not row.variant:
            found[row.name] = row
    return found


def _errors(row: Row, seeds: int, measured: errors.Measure) -> list[float] | None:
    """Return the errors of a row that is ranked, or would be but for failing on some of the seeds of its level.

    A row whose sparsity is a result and that failed is left out: what it reached is not looked at once it has failed.
    One of a pattern is left out unless its other runs have the sparsity of the cell.
    """
    if row.place is None and not (row.failed and max(row.failed) < seeds and not row.foreign and _sparse(row)):
        return None
    return errors.of_seeds(row, seeds, measured)


def _sparse(row: Row) -> bool:
    """Tell whether a row that failed has, or would have had, the sparsity of its column."""
    config = row.example["config"]
    if config.get("reaches"):
        return False
    return not config.get("pattern") or bool(row.runs and not eligible.falls_short(row))


def _line(name: str, filled: Sequence[_Filled], cells: int) -> Line:
    have = sum(name in each.errors for each in filled)
    if have == cells:
        return Line(name, have)
    reasons = {each.rows[name].unranked for each in filled if name in each.rows and name not in each.errors}
    told = f" ({'; '.join(sorted(reasons))})" if reasons else ""
    return Line(name, have, f"{have} of {cells} cells{told}")


def _compare(made: Standing, placed: Sequence[str], filled: Sequence[_Filled]) -> None:
    """Fill in who wins where, and what the tests show of it."""
    means = [_means(each, placed) for each in filled]
    for one in placed:
        for other in placed:
            if one == other:
                continue
            made.wins[one, other] = math.fsum(
                each.cell.weight * ((mean[one] < mean[other]) + 0.5 * (mean[one] == mean[other]))
                for each, mean in zip(filled, means, strict=True)
            )
            made.shown[one, other] = sum(_shown(each, one, other) for each in filled)
    for line in made.placed:
        line.wins = math.fsum(made.wins[line.method, other] for other in placed if other != line.method)
        line.wins /= len(placed) - 1


def _means(filled: _Filled, placed: Sequence[str]) -> dict[str, float]:
    return {name: math.fsum(values) / len(values) for name, values in filled.errors.items() if name in placed}


def _shown(filled: _Filled, better: str, worse: str) -> bool:
    """Tell whether the test of a level shows one method to be better than another; it knows the ranked rows alone."""
    rows = [filled.rows[name] for name in (better, worse)]
    if any(row.place is None for row in rows):
        return False
    return any(row is rows[1] for row in filled.level.worse(rows[0]))


def _figures(placed: Sequence[str], filled: Sequence[_Filled], declared: Declared) -> list[Figures]:
    ratios: dict[str, list[tuple[float, float]]] = {name: [] for name in placed}
    for each in filled:
        means = _means(each, placed)
        least = min(means.values())
        for name, mean in means.items():
            ratios[name].append((each.cell.weight, mean / least if least else math.inf if mean else 1.0))
    tasks = [[each for each in filled if each.cell.task == number] for number in range(declared.tasks)]
    drawn = draws.intervals(
        [[[each.errors[name] for name in placed] for each in task] for task in tasks],
        [[each.chance for each in task] for task in tasks],
    )
    return [_of_method(ratios[name], interval) for name, interval in zip(placed, drawn, strict=True)]


def _of_method(ratios: Sequence[tuple[float, float]], interval: draws.Interval) -> Figures:
    return Figures(
        math.fsum(weight * (1 - 1 / ratio) for weight, ratio in ratios),
        interval,
        tuple(math.fsum(weight for weight, ratio in ratios if ratio <= factor) for factor in FACTORS),
        math.fsum(weight * max(0.0, 2 - ratio) for weight, ratio in ratios),
    )
