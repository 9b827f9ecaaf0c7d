"""A paper's table with our runs beside it, and a verdict on each row and each ordering."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.board.statistics import Estimate, estimate
from harness.plan import grid
from harness.records.folder import record_paths
from harness.reproduce import verdicts
from harness.reproduce.ours import Cell, Records, fill, listed, matching, where_of
from harness.reproduce.paper import Line, Ordering, Paper, Where, read, words
from harness.reproduce.suite import require_rows, rows_of
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
        lost: Seeds that ended without a result, in words; empty if none did.
    """

    line: Line
    values: Values
    runner: str
    verdict: Verdict
    lost: str = ""

    @property
    def ours(self) -> Estimate | None:
        """The mean of our seeds with its interval."""
        return estimate(list(self.values.values())) if self.values else None


@dataclass(frozen=True)
class Result:
    """A paper's table, its rows and orderings judged.

    Attributes:
        paper: What was published.
        rows: The rows that were asked for, and those that the paper has no number for.
        orderings: Those of which every row was asked for.
        left_out: Which records do not count, and why, in a line; empty if all do.
    """

    paper: Paper
    rows: tuple[RowResult, ...]
    orderings: tuple[tuple[Ordering, Verdict], ...]
    left_out: str = ""

    @property
    def run(self) -> bool:
        """Whether any of its rows has been run."""
        return any(row.values or row.lost for row in self.rows)

    def count(self, *wanted: str) -> int:
        """Return how many rows with a published number have one of these verdicts, or any if none is given."""
        rows = [row for row in self.rows if row.line.published and not row.line.claim]
        return sum(not wanted or row.verdict.word in wanted for row in rows)

    @property
    def claims(self) -> tuple[int, int]:
        """How many claims are kept, and how many there are."""
        rows = [row for row in self.rows if row.line.claim]
        return sum(row.verdict.word == verdicts.KEPT for row in rows), len(rows)


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
        overrides: Of its suite. Rows that it then lacks are left out; those that are no longer under the paper's
            protocol are beside no published number.
        folder: Of records.

    Raises:
        UsageError: There is no such paper, its file is wrong, or an override is.
    """
    paper, known = read(name), methods()
    rest = [override for override in overrides if not override.startswith("output=")]
    whole = rows_of(name, [])
    require_rows(paper, whole)
    found = rows_of(name, rest) if rest else whole
    own = {cell.text for cell in whole}
    theirs = [cell for cell in found if cell.text in own]
    records = Records(folder)
    fill(found, records, chosen=any(override.startswith("seed=") for override in rest))
    lines = [line for line in paper.lines if not rest or _all_of(line.where, theirs)]
    judged = [_row(paper, line, _all_of(line.where, theirs), known) for line in lines]
    named = [cell for line in lines for cell in matching(line.where, theirs)]
    others = [cell for cell in found if not _among(cell, named)]
    why = _no_row(paper, rest)
    for cell in others:
        note = "" if cell.text in own else why
        judged.append(_row(paper, Line(where_of(cell, found), None, paper.measure, note=note), [cell], known))
    wanted = [each for each in paper.orderings if not rest or all(_all_of(where, theirs) for where in each.order)]
    orderings = tuple((each, _ordering(each, theirs, known)) for each in wanted)
    kept = [each for each, verdict in orderings if verdict.word == verdicts.REPRODUCED]
    return Result(paper, tuple(_by_order(row, kept, theirs) for row in judged), orderings, records.left_out)


def _no_row(paper: Paper, overrides: Sequence[str]) -> str:
    """Say why rows that overrides ask for are not the paper's."""
    changed = [each for each in overrides if not each.startswith(_CHOOSING) and not _is_stated(paper, each)]
    return f"not the paper's protocol: {', '.join(changed)}" if changed else "no row of the paper has it"


_CHOOSING = ("method=", "sparsity=", "seed=", "device=", "loader=", "evaluations=", "runner", "workers=")


def _is_stated(paper: Paper, override: str) -> bool:
    """Tell whether an override has a value that the paper's suite states itself."""
    name, _, value = override.partition("=")
    return value in grid.values(paper.name, name)


def _all_of(where: Where, found: Sequence[Cell]) -> list[Cell]:
    """Return the cells that a row stands for; none unless all that it lists are there."""
    rows = matching(where, found)
    return rows if rows and len(rows) == listed(where, rows[0].run) else []


def _row(paper: Paper, line: Line, found: Sequence[Cell], known: Collection[str]) -> RowResult:
    values = _mean([cell.values(line.measure) for cell in found])
    runner = ", ".join(sorted({cell.row.runner for cell in found if cell.row and cell.row.runs}))
    lost = _lost(found)
    verdict = _verdict(paper, line, values, known)
    if lost and verdict.word == verdicts.NOT_RUN:
        failed = line.published is not None and any(cell.failed for cell in found)  # a result, unlike an interruption
        verdict = Verdict(verdicts.UNDECIDED if failed else verdicts.NOT_RUN)
    verdict = verdicts.with_lost(verdict, lost, verdicts.UNDECIDED)
    if line.claim:
        verdict = replace(verdict, word=_CLAIM.get(verdict.word, verdict.word))
    return RowResult(line, values, runner if values else "", verdict, lost)


def _lost(found: Sequence[Cell]) -> str:
    """Name the seeds of cells that ended without a result, and of several cells which it was."""
    said = [(f"{cell.run.method.name} {cell.run.sparsity:g} ", each) for cell in found for each in cell.lost]
    return ", ".join(each if len(found) == 1 else of + each for of, each in said)


def _verdict(paper: Paper, line: Line, values: Values, known: Collection[str]) -> Verdict:
    """Return the verdict by the seeds that have a result."""
    if line.where["method"] not in known:
        return Verdict(verdicts.ABSENT, line.why)
    if not values:
        return Verdict(verdicts.NOT_RUN, line.why)
    if line.published is None:
        return Verdict(verdicts.NO_NUMBER)
    verdict = verdicts.of_line(line, values)
    if verdict.word == verdicts.MISSED and not verdict.why:
        why = f"not explained; what may differ: {paper.guessed[0]}" if paper.guessed else "not explained"
        verdict = replace(verdict, why=why)
    return verdict


_CLAIM = {verdicts.REPRODUCED: verdicts.KEPT, verdicts.MISSED: verdicts.BROKEN}


def _mean(several: Sequence[Values]) -> Values:
    """Return the mean over cells by seed, of the seeds that all have."""
    common = set.intersection(*(set(values) for values in several)) if several else set()
    return {seed: estimate([values[seed] for values in several]).mean for seed in sorted(common)}


def _ordering(ordering: Ordering, found: Sequence[Cell], known: Collection[str]) -> Verdict:
    if absent := [str(where["method"]) for where in ordering.order if where["method"] not in known]:
        return Verdict(verdicts.ABSENT, ", ".join(absent))
    rows = [_all_of(where, found) for where in ordering.order]
    values = [_mean([cell.values("score") for cell in row]) for row in rows]
    lost = _lost([cell for row in rows for cell in row])
    missing = [words(where) for where, each in zip(ordering.order, values, strict=True) if not each]
    if missing:
        return verdicts.with_lost(Verdict(verdicts.NOT_RUN, f"without {', '.join(missing)}"), lost, verdicts.NOT_RUN)
    verdict = verdicts.of_ordering([words(where) for where in ordering.order], values, higher=rows[0][0].metric.higher)
    return verdicts.with_lost(verdict, lost, verdicts.NOT_SHOWN)


def _by_order(row: RowResult, kept: Sequence[Ordering], found: Sequence[Cell]) -> RowResult:
    """Return a row whose number is not reproduced, but an ordering that it is part of, with that verdict.

    A number that is far off stays what it is, and so does a row with a lost seed.
    """
    unsettled = row.verdict.word in (verdicts.MISSED, verdicts.UNDECIDED) and not row.lost
    if not unsettled or verdicts.far(row.line, row.verdict):
        return row
    own = matching(row.line.where, found)
    for ordering in kept:
        if any(_among(cell, own) for where in ordering.order for cell in matching(where, found)):
            why = f"{ordering.said}; its number is not: {row.verdict.why}"
            return replace(row, verdict=replace(row.verdict, word=verdicts.ORDERED, why=why))
    return row


def _among(cell: Cell, others: Sequence[Cell]) -> bool:
    return any(cell is other for other in others)
