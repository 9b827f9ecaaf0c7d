"""The levels of a table: its rows of one sparsity, those that are ranked tested against each other."""

from dataclasses import dataclass, field

from harness.board import eligible, ranks
from harness.board.pairs import Family, compare
from harness.board.tables import Row, Table

REFERENCE = "dense"
"""The method that is no competitor: it has no rank, and others are compared with it."""


@dataclass
class Level:
    """One sparsity of a table.

    Attributes:
        sparsity: The sparsity.
        ranked: The rows that are ranked, best mean first.
        seeds: How many seeds, counted from 0, each of these has in the comparison.
        family: The tests of all their pairs, in the same order; None for fewer than two rows.
    """

    sparsity: float
    ranked: list[Row] = field(default_factory=list)
    seeds: int = 0
    family: Family | None = None

    def better(self, row: Row) -> list[Row]:
        """Return the ranked rows that are shown to be better than this one."""
        return [other for other in self.ranked if other is not row and self._better(other, row)]

    def worse(self, row: Row) -> list[Row]:
        """Return the ranked rows that are shown to be worse than this one."""
        return [other for other in self.ranked if other is not row and self._better(row, other)]

    def _better(self, one: Row, other: Row) -> bool:
        assert self.family is not None  # there are two rows
        return self.family.better(self.number(one), self.number(other))

    def number(self, row: Row) -> int:
        """Return a ranked row's number in the family."""
        return next(number for number, ranked in enumerate(self.ranked) if ranked is row)


def rank(table: Table) -> None:
    """Say who is ranked, order the rows of a table and give each level its tests and ranks."""
    eligible.judge(table.rows)

    def order(row: Row) -> tuple[float, bool, bool, bool, float, str, str]:
        best_first = -row.accuracy.mean if row.accuracy else 0.0
        return (row.sparsity, bool(row.unranked), not row.runs, row.lost > 0, best_first, row.method, row.runner)

    table.rows.sort(key=order)
    examples = table.task["dataset"].get("test_examples")
    table.levels = [
        _level(table, sparsity, 1 / examples if examples else 0.0)
        for sparsity in sorted({row.sparsity for row in table.rows if row.name != REFERENCE})
    ]


def _level(table: Table, sparsity: float, resolution: float) -> Level:
    here = [row for row in table.rows if row.sparsity == sparsity and row.name != REFERENCE]
    level = Level(sparsity, [row for row in here if not row.unranked], here[0].required)
    if len(level.ranked) > 1:
        level.family = compare([list(row.accuracies.values()) for row in level.ranked], resolution)
        for row, place in zip(level.ranked, ranks.places(level.family), strict=True):
            row.place = place
    elif level.ranked:
        level.ranked[0].place = ranks.Place(1, 1)
    return level


def reference(table: Table) -> Row | None:
    """Return the dense row that others are compared with: one that lacks nothing and was made as they were."""
    return next((row for row in table.rows if row.name == REFERENCE and not row.unranked), None)
