"""A paper's table with our runs beside it, and a verdict on each row and each ordering."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.board.statistics import Estimate, estimate
from harness.errors import UsageError
from harness.plan import grid
from harness.records.folder import record_paths
from harness.reproduce import verdicts
from harness.reproduce.ours import Cell, Records, cells, fill, matching
from harness.reproduce.paper import Line, Ordering, Paper, Where, read, words
from harness.reproduce.verdicts import Values, Verdict
from methods import methods


@dataclass(frozen=True)
class RowResult:
    """A row of a table.

    Attributes:
        line: What was published.
        values: Ours by seed; of a row that stands for several cells, the mean over them.
        runner: Where ours were made; empty if there are none.
        verdict: What is said of it.
    """

    line: Line
    values: Values
    runner: str
    verdict: Verdict

    @property
    def ours(self) -> Estimate | None:
        """The mean of our seeds with its interval."""
        return estimate(list(self.values.values())) if self.values else None


@dataclass(frozen=True)
class Result:
    """A paper's table, its rows and orderings judged."""

    paper: Paper
    rows: tuple[RowResult, ...]
    orderings: tuple[tuple[Ordering, Verdict], ...]

    @property
    def run(self) -> bool:
        """Whether any of its rows has been run."""
        return any(row.values for row in self.rows)

    def count(self, *wanted: str) -> int:
        """Return how many rows with a published number have one of these verdicts, or any if none is given."""
        rows = [row for row in self.rows if row.line.published]
        return sum(not wanted or row.verdict.word in wanted for row in rows)


def recorded(folder: Path) -> list[str]:
    """Return the papers that a folder of records may hold runs of, by their data sets."""
    found = [path.name for path in record_paths(folder)]

    def has(dataset: str) -> bool:
        return any(name.startswith(f"{dataset}-") for name in found)

    return [name for name in grid.papers() if any(map(has, grid.values(name, "dataset")))]


def of(name: str, overrides: Sequence[str], folder: Path) -> Result:
    """Judge a paper's table by records.

    Args:
        name: Of the paper.
        overrides: Of its suite; rows that it then lacks are left out.
        folder: Of records.

    Raises:
        UsageError: There is no such paper, its file is wrong, or an override is.
    """
    paper, known = read(name), methods()
    rest = [override for override in overrides if not override.startswith("output=")]
    found = cells(grid.runs(name, rest, lambda line: None))
    fill(found, Records(folder))
    _require_one(paper, found)
    lines = [line for line in paper.lines if not rest or _all_of(line.where, found)]
    judged = [_row(paper, line, _all_of(line.where, found), known) for line in lines]
    named = [cell for line in lines for cell in matching(line.where, found)]
    others = [cell for cell in found if not _among(cell, named)]
    judged += [_row(paper, Line(_where(cell, found), None, paper.measure), [cell], known) for cell in others]
    wanted = [each for each in paper.orderings if not rest or all(_all_of(where, found) for where in each.order)]
    orderings = tuple((each, _ordering(each, found, known)) for each in wanted)
    kept = [each for each, verdict in orderings if verdict.word == verdicts.REPRODUCED]
    return Result(paper, tuple(_by_order(row, kept, found) for row in judged), orderings)


def _require_one(paper: Paper, found: Sequence[Cell]) -> None:
    """Make sure that a published row stands for one row of the suite, or for one for each combination that it lists.

    Raises:
        UsageError: It stands for several.
    """
    for where in (
        *(line.where for line in paper.lines),
        *(each for ordering in paper.orderings for each in ordering.order),
    ):
        rows = matching(where, found)
        if len(rows) > _number(where):
            differing = sorted(set(_where(rows[0], rows)) - set(where)) or ["settings of the recipe or the budget"]
            raise UsageError(
                f"paper {paper.name}: the row {words(where)} stands for {len(rows)} rows of the suite, which differ in "
                f"{', '.join(differing)}: say which"
            )


def _all_of(where: Where, found: Sequence[Cell]) -> list[Cell]:
    """Return the cells that a row stands for; none unless all that it lists are there."""
    rows = matching(where, found)
    return rows if len(rows) == _number(where) else []


def _number(where: Where) -> int:
    return math.prod(len(value) for value in where.values() if isinstance(value, list))


def _row(paper: Paper, line: Line, found: Sequence[Cell], known: Collection[str]) -> RowResult:
    values = _mean([cell.values(line.measure) for cell in found])
    runner = ", ".join(sorted({cell.row.runner for cell in found if cell.row and cell.row.runs}))
    return RowResult(line, values, runner if values else "", _verdict(paper, line, values, found, known))


def _verdict(paper: Paper, line: Line, values: Values, found: Sequence[Cell], known: Collection[str]) -> Verdict:
    if line.where["method"] not in known:
        return Verdict(verdicts.ABSENT, line.why)
    if not values:
        lost = sum(cell.lost for cell in found)
        ended = f"{lost} of its runs ended without a result" if lost else ""
        return Verdict(verdicts.NOT_RUN, ended or line.why or ("" if found else "the suite has no such run"))
    if line.published is None:
        return Verdict(verdicts.NO_NUMBER)
    verdict = verdicts.of_line(line, values)
    if verdict.word == verdicts.MISSED and not verdict.why:
        open_points = paper.guessed[0] if paper.guessed else "nothing in the protocol explains it"
        return replace(verdict, why=f"not explained; what may differ: {open_points}")
    return verdict


def _mean(several: Sequence[Values]) -> Values:
    """Return the mean over cells by seed, of the seeds that all have."""
    common = set.intersection(*(set(values) for values in several)) if several else set()
    return {seed: estimate([values[seed] for values in several]).mean for seed in sorted(common)}


def _ordering(ordering: Ordering, found: Sequence[Cell], known: Collection[str]) -> Verdict:
    if absent := [str(where["method"]) for where in ordering.order if where["method"] not in known]:
        return Verdict(verdicts.ABSENT, ", ".join(absent))
    rows = [_all_of(where, found) for where in ordering.order]
    values = [_mean([cell.values("score") for cell in row]) for row in rows]
    missing = [words(where) for where, each in zip(ordering.order, values, strict=True) if not each]
    if missing:
        return Verdict(verdicts.NOT_RUN, f"without {', '.join(missing)}")
    return verdicts.of_ordering([words(where) for where in ordering.order], values, higher=rows[0][0].metric.higher)


def _by_order(row: RowResult, kept: Sequence[Ordering], found: Sequence[Cell]) -> RowResult:
    """Return a row whose number is not reproduced, but an ordering that it is part of, with that verdict."""
    if row.verdict.word not in (verdicts.MISSED, verdicts.UNDECIDED):
        return row
    own = matching(row.line.where, found)
    for ordering in kept:
        if any(_among(cell, own) for where in ordering.order for cell in matching(where, found)):
            why = f"{ordering.said}; its number is not: {row.verdict.why}"
            return replace(row, verdict=replace(row.verdict, word=verdicts.ORDERED, why=why))
    return row


def _among(cell: Cell, others: Sequence[Cell]) -> bool:
    return any(cell is other for other in others)


def _where(cell: Cell, found: Sequence[Cell]) -> Where:
    """Return settings that name a cell: method, sparsity, and of model and method what others of these differ in."""
    run = cell.run
    where = {"method": run.method.name, "sparsity": run.sparsity}
    alike = [other.run for other in found if (other.run.method.name, other.run.sparsity) == tuple(where.values())]
    if any(other.model.name != run.model.name for other in alike):
        where["model"] = run.model.name
    if any(other.dataset.name != run.dataset.name for other in alike):
        where["dataset"] = run.dataset.name
    fields = [name for name in vars(run.method) if name != "name"]
    differing = [name for name in fields if any(getattr(o.method, name) != getattr(run.method, name) for o in alike)]
    return where | {f"method.{name}": getattr(run.method, name) for name in differing}
