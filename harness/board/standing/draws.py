"""Intervals of improvability and rank: tasks are redrawn, and inside each task the seeds, the same for all methods."""

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

DRAWS = 2000

_FEW, _MORE = 6, 20000
"""With fewer tasks than that, the ends are so far out that they take so many draws."""

Errors = Sequence[Sequence[float]]
"""Errors of one cell: a list by seed for each method."""


class Interval(NamedTuple):
    """What the draws leave for one method.

    Attributes:
        low: Lower end of its improvability.
        high: Upper end.
        first: The best rank.
        last: The worst.
    """

    low: float
    high: float
    first: int
    last: int


def intervals(tasks: Sequence[Sequence[Errors]], chances: Sequence[Sequence[float]]) -> list[Interval]:
    """Return the interval of each method, each with 95 % confidence by itself.

    Draws from few tasks vary less than tasks do. The ends are therefore the percentiles that make a bootstrap of a
    mean as wide as Student's interval ("expanded percentiles", Hesterberg 2015).

    Args:
        tasks: The cells of each task; every cell has the same methods in the same order.
        chances: The error of guessing in each of these cells.
    """
    import numpy as np

    draw = random.Random(0)
    number = len(tasks)
    draws = DRAWS if number >= _FEW else _MORE
    drawn = [_of_task(cells, limits, draw, draws) for cells, limits in zip(tasks, chances, strict=True)]
    total = np.zeros_like(drawn[0])
    for _ in range(number):
        chosen = draw.choices(range(number), k=draws)
        again = draw.choices(range(draws), k=draws)
        total += np.stack([drawn[task][place] for task, place in zip(chosen, again, strict=True)])
    improvable = np.round(total / number, 12)  # what is equal stays equal
    ranks = 1 + (improvable[:, :, None] > improvable[:, None, :]).sum(axis=2)
    cut = math.floor(_tail(number) * draws)
    improvable.sort(axis=0)
    ranks.sort(axis=0)
    low, high = improvable[cut], improvable[draws - 1 - cut]
    first, last = ranks[cut], ranks[draws - 1 - cut]
    ends = zip(low.tolist(), high.tolist(), first.tolist(), last.tolist(), strict=True)
    return [Interval(*each) for each in ends]


def _tail(tasks: int) -> float:
    """Return the share of draws to leave out at each end."""
    from scipy import special

    from harness.board.statistics import LEVEL, t_quantile

    return float(special.ndtr(-math.sqrt(tasks / (tasks - 1)) * t_quantile(tasks - 1, LEVEL / 2)))


def _of_task(cells: Sequence[Errors], chances: Sequence[float], draw: random.Random, draws: int) -> "Array":
    """Return the improvability of each method on one task in each draw of its seeds."""
    import numpy as np

    counts: dict[int, Array] = {}  # cells with the same seeds share their draws
    total = np.zeros((draws, len(cells[0])))
    for errors, chance in zip(cells, chances, strict=True):
        values = np.array(errors)
        seeds = values.shape[1]
        if seeds not in counts:
            counts[seeds] = np.array([_counts(draw, seeds) for _ in range(draws)]) / seeds
        means = values.mean(axis=1)
        wider = math.sqrt(seeds / (seeds - 1))
        moved = np.clip(means + wider * (counts[seeds] @ values.T - means), 0.0, chance)
        total += 1 - _ratio(moved.min(axis=1, keepdims=True), moved)
    return total / len(cells)


def _counts(draw: random.Random, seeds: int) -> list[int]:
    drawn = draw.choices(range(seeds), k=seeds)
    return [drawn.count(seed) for seed in range(seeds)]


def _ratio(least: "Array", errors: "Array") -> "Array":
    import numpy as np

    return np.where(errors > 0, least / np.where(errors > 0, errors, 1.0), 1.0)
