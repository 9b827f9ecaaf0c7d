"""The Pareto front of result and cost."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence

from harness.board import levels
from harness.board.tables import Row, Table

_DRAWS = 400
_MOST_ENUMERATED = 256
"""Seeds are redrawn in every possible way where there are no more ways than this, else at random."""


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell which points no other beats: none is as cheap and as good, and better in one of the two.

    Args:
        points: Pairs of cost (less is better) and gain (more is better).

    Returns:
        One answer per point, in their order; points that are equal in both share it.
    """
    on = [False] * len(points)
    best: tuple[float, float] | None = None  # the last point found on the front
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        cost, gain = points[index]
        on[index] = best is None or gain > best[1] or (cost, gain) == best
        if on[index]:
            best = (cost, gain)
    return on


def of_table(table: Table) -> set[int]:
    """Return the ids of a table's rows on its front of mean result and mean training FLOPs."""
    known = [(row, cost, gain) for row in table.rows if (gain := row.gain) is not None and (cost := _cost(row))]
    marks = front([(cost, mean) for _, cost, mean in known])
    return {id(row) for (row, _, _), mark in zip(known, marks, strict=True) if mark}


def _cost(row: Row) -> float | None:
    return row.mean("cost", "train_flops_ratio")


def often(table: Table) -> dict[int, float]:
    """Return how often each ranked row and the dense one is on the front of these, with seeds redrawn.

    A bootstrap over seeds, the same ones drawn for all rows. Deviations from a row's mean are widened by
    sqrt(n / (n - 1)), for draws from n seeds vary that much less than seeds do.

    Args:
        table: The table.

    Returns:
        Shares by id of the row; nothing for rows that are not ranked.
    """
    dense = levels.reference(table)
    rows = [row for row in (*(row for level in table.levels for row in level.ranked), dense) if row and _cost(row)]
    if not rows:
        return {}
    seeds = min(len(row.gains) for row in rows)
    gains = [list(row.gains.values())[:seeds] for row in rows]
    means = [math.fsum(values) / seeds for values in gains]
    wider = math.sqrt(seeds / (seeds - 1))
    costs = [_cost(row) or 0.0 for row in rows]
    counts, draws = [0] * len(rows), 0
    for drawn in _redrawn(seeds):
        draws += 1
        moved = [
            mean + wider * (sum(map(values.__getitem__, drawn)) / seeds - mean)
            for mean, values in zip(means, gains, strict=True)
        ]
        for index, on in enumerate(front(list(zip(costs, moved, strict=True)))):
            counts[index] += on
    return {id(row): count / draws for row, count in zip(rows, counts, strict=True)}


def _redrawn(seeds: int) -> Iterator[Sequence[int]]:
    if seeds**seeds <= _MOST_ENUMERATED:
        yield from itertools.product(range(seeds), repeat=seeds)
        return
    draw = random.Random(0)
    for _ in range(_DRAWS):
        yield draw.choices(range(seeds), k=seeds)
