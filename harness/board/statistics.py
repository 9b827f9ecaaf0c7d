"""What can be said of a few seeds: intervals, a paired test, places shared where the test cannot separate.

Two methods are compared on the seeds they have in common, by a two-sided paired t-test on the differences
of their test accuracies: the seed fixes the data split and the initial weights and so moves both. Each place
is given by comparing its leader (the best mean not placed yet) with every method below it. Holm's correction
is made over that family, so the chance of parting any true tie of a leader stays under 5 %. All methods from
the leader down to the first that is separated from it share its place, so that places never contradict the
order of the means. A method below that one need not be separated itself, if its seeds differ much: whether it is
told apart from the best mean is said beside its place. Nothing is best-of-N: every seed that ended counts, and
one seed alone separates nothing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

LEVEL = 0.05


class Estimate(NamedTuple):
    """A mean over seeds and half the width of its 95 % interval: None from one seed, which has none."""

    mean: float
    half_width: float | None
    n: int


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of independent runs and its 95 % t-interval.

    Args:
        values: One number per seed; at least one.
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return Estimate(mean, _t_quantile(n - 1) * math.sqrt(variance / n), n)


_QUANTILES: dict[int, float] = {}


def _t_quantile(degrees: int) -> float:
    # SciPy takes a tenth of a millisecond, and a large board asks for the same few thousands of times.
    if degrees not in _QUANTILES:
        from scipy import special

        _QUANTILES[degrees] = float(special.stdtrit(degrees, 1 - LEVEL / 2))
    return _QUANTILES[degrees]


def difference(first: Mapping[int, float], second: Mapping[int, float]) -> Estimate | None:
    """Return the mean difference over common seeds, first minus second, with its 95 % interval; None without any."""
    common = sorted(first.keys() & second.keys())
    return estimate([first[seed] - second[seed] for seed in common]) if common else None


def paired_p(first: Mapping[int, float], second: Mapping[int, float], resolution: float = 0.0) -> float:
    """Return the p-value of "both are equally good" by a two-sided paired t-test over common seeds.

    Args:
        first: Accuracy by seed.
        second: Accuracy by seed, of the other method.
        resolution: The smallest difference that accuracy can show: one test example. The standard deviation
            of the differences is taken to be at least that, or three seeds that happen to differ by the same
            single example would be proof.

    Returns:
        The p-value; 1 if fewer than two seeds are common, for then nothing can be said.
    """
    from scipy import special

    seeds = sorted(first.keys() & second.keys())
    n = len(seeds)
    if n < 2:
        return 1.0
    differences = [first[seed] - second[seed] for seed in seeds]
    mean = math.fsum(differences) / n
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in differences) / (n - 1))
    deviation = max(deviation, resolution)
    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * special.stdtr(n - 1, -abs(mean) / (deviation / math.sqrt(n))))


def holm(p_values: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Tell which hypotheses of a family are rejected under Holm's step-down correction.

    Args:
        p_values: One per comparison.
        level: The chance, for the family as a whole, of rejecting any true hypothesis.
    """
    rejected = [False] * len(p_values)
    for done, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[index] > level / (len(p_values) - done):
            break
        rejected[index] = True
    return rejected


class Place(NamedTuple):
    """A place on one level of a table.

    Attributes:
        rank: 1 for the first.
        shared: Whether another method has it too.
        beaten: Whether the method is separated from the one with the best mean.
    """

    rank: int
    shared: bool
    beaten: bool = False

    def __str__(self) -> str:
        """Return the rank as boards print it: ``1=`` where it is shared."""
        return f"{self.rank}=" if self.shared else str(self.rank)


def places(ordered: Sequence[Mapping[int, float]], resolution: float = 0.0) -> list[Place]:
    """Give a place to each method of one table and sparsity.

    Args:
        ordered: Accuracy by seed of each method, the best mean first.
        resolution: One test example, as in `paired_p`.

    Returns:
        The places, in the same order. The module's docstring says how they are shared.
    """
    result: list[Place] = []
    beaten = [False] * len(ordered)
    while len(result) < len(ordered):
        leader = len(result)
        below = ordered[leader + 1 :]
        separated = holm([paired_p(ordered[leader], other, resolution) for other in below])
        if leader == 0:
            beaten[1:] = separated
        size = 1 + (separated.index(True) if True in separated else len(separated))
        result += [Place(leader + 1, size > 1, beaten[leader + i]) for i in range(size)]
    return result
