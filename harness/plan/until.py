"""Seeds until resolved: which runs of a suite the next looks of a plan need (`harness.board.sequential`).

Each level is tested as the board tests it, on the suite's own rows. Those that are trained outside a container count as
well: beside verified rows the board ranks none of them, but they take as many seeds. All rows get the seeds of the
first look. After that a level gets the seeds of its next look, for the rows that have an undecided pair, until every
pair is decided, the level can show the margin, or the last look is taken. Everything follows from the records, so an
interrupted suite resumes where it was.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from harness.board import aggregate, levels
from harness.board.levels import Level
from harness.board.spending import Plan
from harness.board.tables import REFERENCE, Row, Table
from harness.config import RunConfig
from harness.errors import UsageError
from harness.plan import grid
from harness.plan.planned import Planned, plan
from harness.records import Record, load
from harness.records.identity import row as row_text


@dataclass(frozen=True)
class State:
    """Where a suite stands.

    Attributes:
        runs: The runs that come next, what helps most first; none if every level has ended.
        lines: How each level stands, a line each.
    """

    runs: list[Planned]
    lines: list[str]

    @property
    def warning(self) -> str:
        """What to know before anything is trained; empty if there is nothing."""
        if all(planned.choice.name == "docker" for planned in self.runs):
            return ""
        return (
            "UNTIL takes its looks at the rows of this suite, local ones among them; the board ranks local rows only "
            "in tables without verified ones"
        )


def cells(suite: str, overrides: list[str]) -> list[RunConfig]:
    """Compose a suite for its first seed.

    Raises:
        UsageError: The suite is bad, or seeds are given, which the looks decide, or runs are not to be tested.
    """
    for override in overrides:
        if override.partition("=")[0] == "seed":
            raise UsageError(f"{override}: with UNTIL (--until) its looks decide the seeds")
    found = list(grid.runs(suite, [*overrides, "seed=0"]))
    if not all(run.test for run in found):
        raise UsageError("test=false: UNTIL (--until) decides by results on the test set")
    return found


def state(settings: Sequence[RunConfig], looks: Plan, tried: Collection[str] = ()) -> State:
    """Work out from the records where a suite stands and what comes next.

    Args:
        settings: The runs of its first seed (`cells`).
        looks: The plan.
        tried: Keys of runs that are not to be tried again.

    Raises:
        UsageError: Seeds beyond the first look were trained without the plan.
    """
    suite = _Suite(settings, looks, tried)
    lines = [_told(table, level) for table in suite.tables for level in table.levels]
    first = suite.missing(dict.fromkeys(suite.rows, looks.looks[0]))
    return State(first or suite.continued(), lines)


class _Suite:
    """The planned runs of a suite at every seed, and its own records as tables tested under the plan."""

    def __init__(self, settings: Sequence[RunConfig], looks: Plan, tried: Collection[str]) -> None:
        self.looks = looks
        self._tried = tried
        self.rows: dict[str, dict[int, Planned]] = {}
        for before, seeds in pairwise((0, *looks.looks)):  # as far as there are records, and one look more
            more = plan(replace(run, seed=seed) for seed in range(before, seeds) for run in settings)
            for planned in more:
                self.rows.setdefault(planned.identity.row, {})[planned.run.seed] = planned
            if not any(planned.settled for planned in more):
                break
        known = {p.found.path.name: p for seeds in self.rows.values() for p in seeds.values() if p.settled and p.found}
        files = {name: _record(planned, looks) for name, planned in known.items()}
        self.tables = aggregate.tables(files)
        for table in self.tables:
            levels.rank(table, looks)

    def missing(self, wanted: dict[str, int]) -> list[Planned]:
        """Return the runs that rows lack of the seeds that they are to have, seeds outermost."""
        return [
            planned
            for seed in range(self.looks.looks[-1])
            for text, seeds in wanted.items()
            if seed < seeds and not (planned := self.rows[text][seed]).settled and planned.key not in self._tried
        ]

    def continued(self) -> list[Planned]:
        """Return what comes after the first look, the level first whose next look promises most for each run."""
        found: list[tuple[float, list[Planned]]] = []
        for table in self.tables:
            most = self.looks.looks[0]
            for level in table.levels:
                gain, wanted = self._next(table, level)
                found.append((gain, self.missing({_text(row): seeds for row, seeds in wanted})))
                most = max([most, *(row.required for row in level.ranked), *(seeds for _, seeds in wanted)])
            reference = [(_text(row), most) for row in table.rows if row.name == REFERENCE and not row.failed]
            found.append((-1.0, self.missing(dict(reference))))
        return [planned for _, runs in sorted(found, key=lambda item: -item[0]) for planned in runs]

    def _next(self, table: Table, level: Level) -> tuple[float, list[tuple[Row, int]]]:
        """Return what a level's next look promises, and the rows that need seeds for it."""
        followed = level.followed
        assert followed is not None  # every level is tested under the plan
        # what the others have and a row lacks comes first: what is shown of them may depend on it
        behind = [
            (row, row.required)
            for row in table.rows
            if row.sparsity == level.sparsity and row.unranked and row.name != REFERENCE and not row.failed
        ]
        if self.missing({_text(row): seeds for row, seeds in behind}):
            return float("inf"), behind
        if followed.ended:
            return 0.0, []
        return followed.gain(), [(row, followed.next_seeds) for row in level.undecided()]


def _record(planned: Planned, looks: Plan) -> Record:
    """Return a planned run's record, as if all were made by one kind of runner: what is asked is what comes next.

    Raises:
        UsageError: It lies beyond the first look and was trained without the plan.
    """
    assert planned.found is not None
    record: dict[str, Any] = load(planned.found.path)
    reference = record["method"] == REFERENCE
    if planned.run.seed >= looks.looks[0] and not reference and not looks.declared_in(record):
        raise UsageError(
            f"{planned.title} was trained without the looks of UNTIL, which must be declared before seed "
            f"{looks.looks[0]}: leave out UNTIL, or choose another OUTPUT"
        )
    return record | {"runner": "docker", "image": None} if record["runner"] == "local" else record


def _text(row: Row) -> str:
    return row_text(row.example["config"])


def _told(table: Table, level: Level) -> str:
    name = f"{table.title} at {level.sparsity:g}"
    followed = level.followed
    assert followed is not None
    if followed.look is None:
        return f"{name}: nothing to compare"
    undecided = f"{followed.look.undecided} of {len(level.family.gaps) if level.family else 0} pairs undecided"
    ended = f"; done: {followed.ended}" if followed.ended else f"; next {followed.next_seeds} seeds"
    return f"{name}: {followed.look} ({followed.look.seeds} seeds), {undecided}{ended}"
