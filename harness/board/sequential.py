"""A test that holds while seeds are added: declared looks, each with its share of the 5 %.

Testing a level after every added seed, and stopping when something shows, is wrong far more often than 5 % of the time.
A plan declares the numbers of seeds at which a level is tested, its looks, and divides the 5 % among them. At each look
the pairs that are still undecided are tested as one family (`harness.board.pairs`) at the look's own level, on seeds
0 ... n-1. A pair that is shown to differ stays so, and leaves the family.

The chance of any wrong statement is at most the sum of the levels, whatever rule stops the seeds: before the first
wrong one, every pair without a difference is still in the family, so each look adds at most its own level. So a row
needs further seeds only while one of its pairs is undecided. `docs/statistics.md` has the figures.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from harness.board.pairs import Family, Pair, Prior, compare
from harness.board.resolution import smallest_difference
from harness.board.spending import Plan
from harness.board.statistics import LEVEL, t_quantile


class Look(NamedTuple):
    """How far the plan of a level has come.

    Attributes:
        number: Looks taken.
        of: Looks of the plan.
        seeds: Seeds of the last look taken.
        undecided: Pairs that are not shown to differ so far.
    """

    number: int
    of: int
    seeds: int
    undecided: int

    def __str__(self) -> str:
        """Return it in words, e.g. ``after look 2 of 5``."""
        return f"after look {self.number} of {self.of}"


class _Tested(NamedTuple):
    gap: float
    error: float
    degrees: float
    p: float
    level: float


@dataclass
class Followed:
    """What the looks of a plan have shown of the rows of one level; rows are numbered as they were given.

    Attributes:
        plan: The plan.
        seeds: The number of seeds that each row was last tested with.
        look: How far it has come; None if there is no pair to test.
        lacking: Rows with an undecided pair that have not the seeds of the next look, though most of such rows have.
        undecided: Pairs that are not shown to differ.
        whole: What a hundred points are (`harness.board.scale`).
    """

    plan: Plan
    seeds: list[int]
    look: Look | None = None
    lacking: set[int] = field(default_factory=set)
    undecided: set[Pair] = field(default_factory=set)
    whole: float = 1.0
    _tested: dict[Pair, _Tested] = field(default_factory=dict)
    _prior: Prior = field(default=Prior(0.0, 0.0))
    _tests: int = 0

    def family(self, order: Sequence[int] | None = None) -> Family | None:
        """Return the tests as one family; None for fewer than two rows.

        Each pair stands with what its last look gave. Its p-value is scaled by the share of the 5 % that this look
        had, so that as in any family it is at most 5 % where the pair is shown to differ.

        Args:
            order: The rows in the order in which the family numbers them.
        """
        if self.look is None:
            return None
        order = order or range(len(self.seeds))
        found: dict[Pair, _Tested] = {}
        for (i, one), (j, other) in combinations(enumerate(order), 2):
            tested = self._tested[min(one, other), max(one, other)]
            found[i, j] = tested if one < other else tested._replace(gap=-tested.gap)
        return Family(
            rows=len(order),
            seeds=self.look.seeds,
            prior=self._prior,
            gaps={pair: tested.gap for pair, tested in found.items()},
            errors={pair: tested.error for pair, tested in found.items()},
            degrees={pair: tested.degrees for pair, tested in found.items()},
            p={pair: tested.p for pair, tested in found.items()},
            levels={pair: tested.level for pair, tested in found.items()},
            spending=dict(zip(self.plan.looks, self.plan.spending, strict=True)),
            tested=self._tests,
            whole=self.whole,
        )

    @property
    def ended(self) -> str:
        """Why the level needs no further seeds, in words; empty if it does."""
        if not self.undecided:
            return "every pair is decided"
        assert self.look is not None
        family = self.family()
        assert family is not None
        if (smallest := smallest_difference(family) / self.whole) <= self.plan.margin:
            return f"it can resolve {100 * smallest:.2f} points"
        return "the last look is taken" if self.look.number == self.look.of else ""

    @property
    def next_seeds(self) -> int:
        """The seeds of the next look."""
        return self.plan.looks[self.look.number if self.look else 0]

    def gain(self) -> float:
        """Return how many pairs a run is expected to decide at the next look, were the differences as they look now."""
        from scipy import special

        assert self.look is not None
        level = self.plan.spending[self.look.number] / (2 * len(self.undecided))
        found = 0.0
        for pair in self.undecided:
            now = self._tested[pair]
            more = self.next_seeds / self.look.seeds
            away = abs(now.gap) / now.error * math.sqrt(more)
            degrees = now.degrees * (self.next_seeds - 1) / (self.look.seeds - 1)
            found += 1 - float(special.nctdtr(degrees, away, t_quantile(degrees, level)))
        return found / (len(_rows_of(self.undecided)) * (self.next_seeds - self.look.seeds))


def follow(rows: Sequence[Sequence[float]], plan: Plan, resolution: float = 0.0, whole: float = 1.0) -> Followed:
    """Take every look of a plan that the rows of a level allow.

    A look beyond the first is taken once more than half of the rows with an undecided pair have its seeds, so that one
    row alone can neither hold up the others nor hurry them. If others lack them, nothing is tested further: they are
    named, and are not ranked (`harness.board.eligible`).

    Args:
        rows: Gains of each row on seeds 0, 1, 2, ... in their order; at least as many as the first look takes.
        plan: The plan.
        resolution: The smallest difference that they can show (`harness.board.pairs.compare`).
        whole: What a hundred points are.
    """
    found = Followed(plan, [plan.looks[0]] * len(rows), whole=whole)
    found.undecided = set(combinations(range(len(rows)), 2))
    for number, (seeds, level) in enumerate(zip(plan.looks, plan.spending, strict=True)):
        active = sorted(_rows_of(found.undecided))
        have = [row for row in active if len(rows[row]) >= seeds]
        if not active or (number and 2 * len(have) <= len(active)):
            break
        found.lacking = set(active) - set(have)
        if found.lacking:
            break
        _take(found, [rows[row][:seeds] for row in active], active, level, resolution)
        found.look = Look(number + 1, len(plan.looks), seeds, len(found.undecided))
        for row in active:
            found.seeds[row] = seeds
    return found


def _take(found: Followed, values: list[Sequence[float]], active: list[int], level: float, resolution: float) -> None:
    """Test the undecided pairs of the active rows as one family at a look's level."""
    number = {row: place for place, row in enumerate(active)}
    pairs = {(number[i], number[j]) for i, j in found.undecided}
    family = compare(values, resolution, found.whole, pairs)
    for pair in sorted(pairs):
        scaled = min(1.0, family.p[pair] * LEVEL / level)
        tested = _Tested(family.gaps[pair], family.errors[pair], family.degrees[pair], scaled, level)
        ours = active[pair[0]], active[pair[1]]
        found._tested[ours] = tested
        if scaled <= LEVEL and tested.gap:
            found.undecided.discard(ours)
    found._prior, found._tests = family.prior, len(pairs)


def _rows_of(pairs: Collection[Pair]) -> set[int]:
    return {row for pair in pairs for row in pair}
