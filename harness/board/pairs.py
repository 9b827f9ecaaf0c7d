"""The test that ranks: every pair of rows of one level, on the same seeds, as one family.

Two rows are compared by their differences on the seeds that all rows of the level have, for a seed fixes the data
split, the order of the batches and the initial weights of both. Three seeds say little about the variance of such
differences, but there are many pairs: their variances are moderated towards a common value as limma does (Smyth
2004). How much a pair borrows is estimated from how alike the variances are, and never exceeds twice what it has
itself, which keeps the level where some rows are much noisier than others. Holm's correction is over *all* pairs, so
the chance that a level shows any difference that is not there is about 5 %, whichever rows lead.

A bad row must not blur the others. Pairs of rows that are near the best mean learn from each other alone, so what is
measured of them stays as it is whatever rows are added far below; such a row only adds to Holm's family.
`benchmarks/statistics` measures all that; `docs/statistics.md` says what came out.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from harness.board.statistics import LEVEL, t_quantile

FEWEST_ROWS = 8
"""With fewer rows there are too few variances to learn from, and each pair has its own alone.

With six or seven, of which two are ten times as noisy, 6.8 and 6.4 % of boards from three seeds show some difference
that is not there; with eight, 5.9 %."""

FEWEST_SEEDS = 3
"""With fewer seeds nothing is tested."""

FAR = 0.1
"""A row that is further below the best mean, ten points, says nothing of the variances of those that are nearer."""

_MOST_BORROWED = 2
"""Degrees of freedom that a pair may borrow, as a multiple of its own."""

_FINEST = 1e-6
"""The resolution taken where none is known, of what is whole."""

Pair = tuple[int, int]


class Prior(NamedTuple):
    """What the variances of all pairs say together.

    Attributes:
        degrees: How alike they are, in degrees of freedom; infinite if they differ by chance alone, 0 if not estimated.
        variance: What they have in common.
    """

    degrees: float
    variance: float

    def borrowed(self, own: int) -> float:
        """Return the degrees of freedom lent to a pair that has some of its own."""
        return min(self.degrees, _MOST_BORROWED * own)


@dataclass(frozen=True)
class Family:
    """All pairs of the rows of one level, tested together; rows are numbered as they were given.

    Under a plan of looks (`harness.board.sequential`) each pair stands with what its last look gave.

    Attributes:
        rows: How many rows.
        seeds: How many seeds each has; under a plan those of the last look.
        prior: What the variances of the pairs have in common, of rows near the best mean.
        gaps: Mean gain of the first row minus that of the second, for each pair (i, j) with i < j; positive where the
            first is the better one, whichever way the metric goes.
        errors: The standard error of each gap, with its variance moderated.
        degrees: The degrees of freedom of each gap's test.
        p: The p-value of "both are equally good" of each pair, two-sided, Holm-adjusted over all pairs.
        tested: The number of pairs that Holm's correction was over.
        levels: The level at which each pair was tested, where that is not 5 %.
        spending: The level of each look by its number of seeds; empty without a plan.
        whole: What a hundred points are (`harness.board.scale`).
    """

    rows: int
    seeds: int
    prior: Prior
    gaps: dict[Pair, float]
    errors: dict[Pair, float]
    degrees: dict[Pair, float]
    p: dict[Pair, float]
    tested: int
    levels: Mapping[Pair, float] = field(default_factory=dict)
    spending: Mapping[int, float] = field(default_factory=dict)
    whole: float = 1.0

    def gap(self, first: int, second: int) -> float:
        """Return the mean gain of one row minus that of another."""
        return self.gaps[first, second] if first < second else -self.gaps[second, first]

    def adjusted_p(self, first: int, second: int) -> float:
        """Return the adjusted p-value of a pair, in either order."""
        return self.p[min(first, second), max(first, second)]

    def better(self, first: int, second: int) -> bool:
        """Tell whether ``first`` is shown to be better than ``second``."""
        return self.adjusted_p(first, second) <= LEVEL and self.gap(first, second) > 0

    def not_worse(self, row: int, margin: float) -> bool:
        """Tell whether a row is shown to be less than ``margin`` below every other.

        For one row that is an intersection-union test, which needs no correction; it is made for every row, so the
        level is divided by their number.
        """
        others = (other for other in range(self.rows) if other != row)
        pairs = ((self.gap(row, other) + margin, (min(row, other), max(row, other))) for other in others)
        return all(
            inside > self.errors[pair] * t_quantile(self.degrees[pair], self.levels.get(pair, LEVEL) / self.rows)
            for inside, pair in pairs
        )


def compare(
    rows: Sequence[Sequence[float]],
    resolution: float = 0.0,
    whole: float = 1.0,
    tested: Collection[Pair] | None = None,
) -> Family:
    """Test pairs of the rows of one level; the variances of all its pairs inform each other.

    Args:
        rows: Gains of at least two rows on the same seeds, in one order; at least `FEWEST_SEEDS` each.
        resolution: The smallest difference that they can show: of accuracies one test example. The standard deviation
            of a pair's differences is taken to be at least that, or three seeds that happen to differ by the same
            single example would be proof.
        whole: What a hundred points are (`harness.board.scale`).
        tested: The pairs that the family is of, as (i, j) with i < j; None for all. The others have no p-value.
    """
    from scipy import special

    seeds = len(rows[0])
    own = seeds - 1
    floor = max(resolution, _FINEST * whole) ** 2
    gaps: dict[Pair, float] = {}
    variances: dict[Pair, float] = {}
    for i, j in combinations(range(len(rows)), 2):
        differences = [a - b for a, b in zip(rows[i], rows[j], strict=True)]
        mean = gaps[i, j] = math.fsum(differences) / seeds
        variances[i, j] = max(math.fsum((value - mean) ** 2 for value in differences) / own, floor)

    means = [math.fsum(row) / seeds for row in rows]
    near = {number for number, mean in enumerate(means) if mean >= max(means) - FAR * whole}
    among_all = _prior(list(variances.values()), own, len(rows))
    if nearby := [variance for pair, variance in variances.items() if near.issuperset(pair)]:
        among_near = _prior(nearby, own, len(near))
    else:
        among_near = among_all

    errors: dict[Pair, float] = {}
    degrees: dict[Pair, float] = {}
    for pair, variance in variances.items():
        prior = among_near if near.issuperset(pair) else among_all
        borrowed = prior.borrowed(own)
        degrees[pair] = borrowed + own
        errors[pair] = math.sqrt((borrowed * prior.variance + own * variance) / degrees[pair] / seeds)
    pairs = [pair for pair in gaps if tested is None or pair in tested]
    raw = [2 * float(special.stdtr(degrees[pair], -abs(gaps[pair]) / errors[pair])) for pair in pairs]
    p = dict(zip(pairs, holm(raw), strict=True))
    return Family(len(rows), seeds, among_near, gaps, errors, degrees, p, len(pairs), whole=whole)


def _prior(variances: Sequence[float], own: int, rows: int) -> Prior:
    """Fit Smyth's prior to the variances of all pairs by the moments of their logarithms."""
    from scipy import special

    if rows < FEWEST_ROWS:
        return Prior(0.0, math.fsum(variances) / len(variances))
    shift = math.log(own / 2) - float(special.digamma(own / 2))
    logs = [math.log(variance) + shift for variance in variances]
    mean = math.fsum(logs) / len(logs)
    spread = math.fsum((value - mean) ** 2 for value in logs) / (len(logs) - 1)
    excess = spread - float(special.polygamma(1, own / 2))
    if excess <= 0:
        return Prior(math.inf, math.exp(mean))
    half = _inverse_trigamma(excess)
    return Prior(2 * half, math.exp(mean + float(special.digamma(half)) - math.log(half)))


def _inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value, by Newton's method on 1/trigamma, which is nearly straight (Smyth 2004)."""
    from scipy import special

    x = 0.5 + 1 / value
    for _ in range(50):
        found = float(special.polygamma(1, x))
        step = found * (1 - found / value) / float(special.polygamma(2, x))
        x += step
        if abs(step) < 1e-8 * x:
            break
    return x


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for a family by Holm's step-down method: each at most the level is a rejection."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for done, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - done) * p_values[index]))
        adjusted[index] = highest
    return adjusted
