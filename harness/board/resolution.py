"""What a level can show: the smallest difference that its test finds, and the seeds that it takes to find smaller ones.

Both are for the first and hardest step of Holm's correction, with the spread that the level's own pairs have. Under a
plan of looks both are for its looks alone, each at its own level.
"""

import functools
import math

from harness.board.pairs import FEWEST_SEEDS, Family
from harness.board.statistics import LEVEL, t_quantile

POWER = 0.8
"""How often a difference of the size named is found."""

TARGETS = (0.003, 0.005)
"""Differences for which the board says how many seeds they take, of what is whole."""

_MOST_SEEDS = 100_000


def smallest_difference(family: Family, seeds: int | None = None) -> float:
    """Return the smallest true difference that the family's test finds with 80 % power.

    Args:
        family: The family, for the spread of its pairs and their number.
        seeds: The number of seeds, if not the family's own; under a plan that of a look.
    """
    seeds = seeds or family.seeds
    degrees = family.prior.borrowed(seeds - 1) + seeds - 1
    tail = family.spending.get(seeds, LEVEL) / (2 * family.tested)
    return math.sqrt(family.prior.variance / seeds) * _noncentrality(degrees, tail)


def seeds_for(family: Family, difference: float) -> int | None:
    """Return the fewest seeds with which a difference is found with 80 % power.

    None if 100,000 are not enough, or under a plan if those of its last look are not.
    """
    if family.spending:
        return next((n for n in sorted(family.spending) if smallest_difference(family, n) <= difference), None)
    high = FEWEST_SEEDS
    while smallest_difference(family, high) > difference:
        if high > _MOST_SEEDS:
            return None
        high *= 2
    low = max(FEWEST_SEEDS, high // 2)
    while low < high:
        middle = (low + high) // 2
        if smallest_difference(family, middle) <= difference:
            high = middle
        else:
            low = middle + 1
    return low


@functools.lru_cache(maxsize=4096)
def _noncentrality(degrees: float, tail: float) -> float:
    """Return how many standard errors a difference must be for t to pass the quantile of a tail with 80 % power."""
    from scipy import special

    return float(special.nctdtrinc(degrees, 1 - POWER, t_quantile(degrees, tail)))
