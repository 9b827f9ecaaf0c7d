"""The Pareto front of accuracy and cost."""

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell which points no other beats: none is as cheap and as accurate, and better in one of the two.

    Args:
        points: Pairs of cost (less is better) and accuracy (more is better).

    Returns:
        One answer per point, in their order; points that are equal in both share it.
    """
    on = [False] * len(points)
    best: tuple[float, float] | None = None  # the last point found on the front
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        cost, accuracy = points[index]
        on[index] = best is None or accuracy > best[1] or (cost, accuracy) == best
        if on[index]:
            best = (cost, accuracy)
    return on
