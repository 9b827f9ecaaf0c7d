"""The levels of a table: its rows of one sparsity, those that are ranked tested against each other.

A level is tested once, at the seeds that it requires, or at the looks of a plan (`harness.board.sequential`). A plan
counts if half of the rows that its first look leaves undecided carry it: rows need not be continued once they are
decided, and one of three rows cannot have the others tested otherwise. Where two rows disagree, the plan counts, for it
shows less: deleting it from records buys nothing.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace

from harness.board import eligible, ranks, sequential, spending
from harness.board.pairs import Family, compare
from harness.board.scale import Scale, scale_of
from harness.board.sequential import Followed, Look
from harness.board.spending import Plan
from harness.board.statistics import LEVEL
from harness.board.tables import REFERENCE, Row, Table, result


@dataclass
class Level:
    """One sparsity of a table.

    Attributes:
        sparsity: The sparsity.
        ranked: The rows that are ranked, best mean first.
        seeds: How many seeds, counted from 0, each of these has in the comparison; under a plan some have more.
        family: The tests of all their pairs, in the same order; None for fewer than two rows.
        followed: What the looks of its plan have shown; None where it has none.
    """

    sparsity: float
    ranked: list[Row] = field(default_factory=list)
    seeds: int = 0
    family: Family | None = None
    followed: Followed | None = None

    @property
    def look(self) -> Look | None:
        """How far its plan has come; None without a plan, or without a pair to test."""
        return self.followed.look if self.followed else None

    @property
    def error(self) -> float:
        """The chance of a wrong statement that tests made now may have: 5 %, or what the last look may spend."""
        return self.followed.plan.spending[self.look.number - 1] if self.followed and self.look else LEVEL

    def better(self, row: Row) -> list[Row]:
        """Return the ranked rows that are shown to be better than this one."""
        return [other for other in self.ranked if other is not row and self._better(other, row)]

    def worse(self, row: Row) -> list[Row]:
        """Return the ranked rows that are shown to be worse than this one."""
        return [other for other in self.ranked if other is not row and self._better(row, other)]

    def _better(self, one: Row, other: Row) -> bool:
        assert self.family is not None  # there are two rows
        return self.family.better(self.number(one), self.number(other))

    def undecided(self) -> list[Row]:
        """Return the ranked rows that are not shown to differ from some other."""
        pairs = [] if self.family is None else [pair for pair, p in self.family.p.items() if p > LEVEL]
        return [self.ranked[number] for number in sorted({number for pair in pairs for number in pair})]

    def number(self, row: Row) -> int:
        """Return a ranked row's number in the family."""
        return next(number for number, ranked in enumerate(self.ranked) if ranked is row)


def rank(table: Table, plan: Plan | None = None) -> None:
    """Say who is ranked, order the rows of a table and give each level its tests and ranks.

    Args:
        table: The table; its rows and levels are set.
        plan: Tests every level at these looks, whatever plan its records carry.
    """
    here: dict[float, list[Row]] = defaultdict(list)
    for row in table.rows:
        if row.name != REFERENCE:
            here[row.sparsity].append(row)
    scale = scale_of(table)
    plans = _plans(table, here, plan, scale)
    followed = {sparsity: _follow(here[sparsity], found, scale) for sparsity, found in plans.items()}

    def order(row: Row) -> tuple[float, bool, bool, bool, float, str, str]:
        best_first = 0.0 if row.gain is None else -row.gain
        return (row.sparsity, bool(row.unranked), not row.runs, row.lost > 0, best_first, row.method, row.runner)

    table.rows.sort(key=order)
    table.levels = [
        _tested_once(sparsity, sorted(here[sparsity], key=order), scale)
        if sparsity not in followed
        else _tested_at_looks(sparsity, sorted(here[sparsity], key=order), *followed[sparsity])
        for sparsity in sorted(here)
    ]
    for level in table.levels:
        if level.family is not None:
            for row, place in zip(level.ranked, ranks.places(level.family), strict=True):
                row.place = place
        elif level.ranked:
            level.ranked[0].place = ranks.Place(1, 1)


def _tested_once(sparsity: float, rows: list[Row], scale: Scale) -> Level:
    level = Level(sparsity, [row for row in rows if not row.unranked], rows[0].required)
    if len(level.ranked) > 1:
        level.family = compare([list(row.gains.values()) for row in level.ranked], *scale)
    return level


def _tested_at_looks(sparsity: float, rows: list[Row], asked: list[Row], followed: Followed) -> Level:
    numbers = {id(row): number for number, row in enumerate(asked)}
    ranked = [row for row in rows if not row.unranked]
    seeds = min(followed.seeds, default=followed.plan.looks[0])
    return Level(sparsity, ranked, seeds, followed.family([numbers[id(row)] for row in ranked]), followed)


def _plans(table: Table, here: dict[float, list[Row]], plan: Plan | None, scale: Scale) -> dict[float, Plan]:
    """Return the plans that levels are tested under, by sparsity, having said who is ranked."""
    plans = {sparsity: found for sparsity, rows in here.items() if (found := plan or _carried(rows))}
    while True:
        eligible.judge(table.rows, {sparsity: found.looks[0] for sparsity, found in plans.items()})
        kept = {at: found for at, found in plans.items() if plan or _held(here[at], found, scale)}
        if kept == plans:
            return plans
        plans = kept


def _carried(rows: list[Row]) -> Plan | None:
    """Return the plan that most records of a level carry."""
    found = [spending.carried(run) for row in rows if not row.apart for run in row.runs.values()]
    return spending.commonest([plan for plan in found if plan])


def _held(rows: list[Row], plan: Plan, scale: Scale) -> bool:
    """Tell whether half of the rows that the first look leaves undecided carry the plan; if none is, half of all."""
    ranked = [row for row in rows if not row.unranked]
    first = replace(plan, looks=plan.looks[:1], spending=plan.spending[:1])
    undecided = sequential.follow([_values(row, first) for row in ranked], first, *scale).undecided
    still_open = {number for pair in undecided for number in pair}
    asked = [row for number, row in enumerate(ranked) if number in still_open] or ranked
    return 2 * sum(_holds(row, plan) for row in asked) >= max(len(asked), 1)


def _holds(row: Row, plan: Plan) -> bool:
    beyond = [run for seed, run in row.runs.items() if seed >= plan.looks[0]]
    return all(plan.declared_in(run) for run in beyond or row.runs.values())


def _follow(rows: list[Row], plan: Plan, scale: Scale) -> tuple[list[Row], Followed]:
    """Take the looks of a plan, without rows that lack seeds which a look requires.

    Returns:
        The rows that are ranked, and what the looks have shown of them.
    """
    while True:
        ranked = [row for row in rows if not row.unranked]
        found = sequential.follow([_values(row, plan) for row in ranked], plan, *scale)
        if not found.lacking:
            break
        for number in found.lacking:
            row = ranked[number]
            row.required = found.next_seeds
            row.unranked = eligible.lacks(row) or "seeds beyond the first look were trained without the level's plan"
    for row, seeds in zip(ranked, found.seeds, strict=True):
        row.required = seeds
    return ranked, found


def _values(row: Row, plan: Plan) -> list[float]:
    """Return a row's gains on seeds 0, 1, 2, … as far as they may be tested under a plan.

    What lies beyond the first look must have been trained under the plan, for otherwise its number of seeds may have
    been chosen by what they showed.
    """
    found = []
    for seed in range(plan.looks[-1]):
        run = row.runs.get(seed)
        if run is None or (seed >= plan.looks[0] and not plan.declared_in(run)):
            break
        found.append(row.metric.gain(result(run)))
    return found


def reference(table: Table) -> Row | None:
    """Return the dense row that others are compared with: one that lacks nothing and was made as they were."""
    return next((row for row in table.rows if row.name == REFERENCE and not row.unranked), None)
