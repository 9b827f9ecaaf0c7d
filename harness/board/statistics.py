"""What can be said of one row's few seeds, and of two rows' on the seeds that they share: means with intervals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

LEVEL = 0.05
"""The chance of a wrong statement that every interval, and every family of tests, may have."""


class Estimate(NamedTuple):
    """A mean over seeds and half the width of its 95 % interval: None from one seed, which has none."""

    mean: float
    half_width: float | None
    n: int


def estimate(values: Sequence[float], statements: int = 1) -> Estimate:
    """Return the mean of independent runs and its 95 % t-interval.

    Args:
        values: One number per seed; at least one.
        statements: How many such intervals must hold at once (Bonferroni), e.g. because one of them was picked by
            what it shows.
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return Estimate(mean, t_quantile(n - 1, LEVEL / (2 * statements)) * math.sqrt(variance / n), n)


_QUANTILES: dict[tuple[float, float], float] = {}


def t_quantile(degrees: float, tail: float) -> float:
    """Return what Student's t with these degrees of freedom exceeds with probability ``tail``."""
    # SciPy takes a tenth of a millisecond, and a large board asks for the same few thousands of times.
    if (degrees, tail) not in _QUANTILES:
        from scipy import special

        _QUANTILES[degrees, tail] = -float(special.stdtrit(degrees, tail))
    return _QUANTILES[degrees, tail]


def difference(first: Mapping[int, float], second: Mapping[int, float], statements: int = 1) -> Estimate | None:
    """Return the mean difference over common seeds, first minus second, with its 95 % interval; None without any."""
    common = sorted(first.keys() & second.keys())
    return estimate([first[seed] - second[seed] for seed in common], statements) if common else None


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are known, None if none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    total, n = sum(known), len(known)
    # A count stays exact: 3e18 training FLOPs have more digits than a float.
    return total // n if isinstance(total, int) and total % n == 0 else total / n
