"""Exact selection by score: the k best, ties broken by index, without sorting and without waiting for a device."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from methods import quickselect, radix_select

# A thread has to win more than it costs to start.
_WORTH_A_THREAD = 1 << 20

_Job = TypeVar("_Job")


def top_k(scores: Tensor, k: int, among: Tensor) -> Tensor:
    """Mark the ``k`` highest scores among candidates.

    Args:
        scores: Scores, of which the magnitudes count, shape (n,).
        k: How many to take; at most the number of candidates.
        among: Candidates, bool, shape (n,).

    Returns:
        Bool mask, shape (n,), with exactly ``k`` set: where scores tie at the threshold, the lowest indices.
    """
    return top_k_each([scores], [k], [among])[0]


def top_k_each(scores: Sequence[Tensor], counts: Sequence[int], among: Sequence[Tensor]) -> list[Tensor]:
    """Mark the ``counts[l]`` highest scores of each tensor among its candidates; see `top_k`."""
    if not scores:
        return []
    if scores[0].device.type != "cpu":
        return radix_select.mark_each(scores, counts, among)
    parts = [(_array(part), candidates.numpy()) for part, candidates in zip(scores, among, strict=True)]
    marked = _side_by_side(
        lambda job: quickselect.mark([job[0]], job[1])[0],
        zip(parts, counts, strict=True),
        size=sum(part.numel() for part in scores),
    )
    return [torch.from_numpy(part) for part in marked]


def top_k_jointly(scores: Sequence[Tensor], k: int, among: Sequence[Tensor]) -> list[Tensor]:
    """Mark the ``k`` highest scores of all tensors together; ties go to the first tensor, then the lowest index."""
    if scores[0].device.type != "cpu":
        marked = radix_select.mark_each([torch.cat(list(scores))], [k], [torch.cat(list(among))])[0]
        return list(marked.split([part.numel() for part in scores]))
    parts = [(_array(part), candidates.numpy()) for part, candidates in zip(scores, among, strict=True)]
    return [torch.from_numpy(part) for part in quickselect.mark(parts, k)]


def exchange(alive: Tensor, active: int, magnitude: Tensor, score: Tensor, k: int) -> Tensor:
    """Drop the ``k`` smallest magnitudes, then grow the ``k`` highest scores among all that are inactive.

    Those just dropped may grow again (METHODS.md, "Drop and grow").

    Args:
        alive: Active weights, bool, shape (n,).
        active: Their number.
        magnitude: w or |w|, shape (n,).
        score: Growth score, of which the magnitude counts, shape (n,).
        k: Weights to exchange, at most ``active``.

    Returns:
        The new mask, bool, shape (n,), with ``active`` set.
    """
    return exchange_each([alive], [active], [magnitude], [score], [k])[0]


def exchange_each(
    alive: Sequence[Tensor],
    active: Sequence[int],
    magnitude: Sequence[Tensor],
    score: Sequence[Tensor],
    exchanged: Sequence[int],
) -> list[Tensor]:
    """Exchange ``exchanged[l]`` weights in each tensor; see `exchange`."""
    kept = top_k_each(magnitude, [count - k for count, k in zip(active, exchanged, strict=True)], alive)
    grown = top_k_each(score, exchanged, [~part for part in kept])
    return [old | new for old, new in zip(kept, grown, strict=True)]


def _array(scores: Tensor) -> np.ndarray:
    """Return scores as an array that `quickselect` reads, without copying float32 or float64."""
    if scores.dtype not in (torch.float32, torch.float64):
        scores = scores.float()  # exact from any narrower type
    return scores.numpy()


def _side_by_side(work: Callable[[_Job], np.ndarray], jobs: Iterable[_Job], size: int) -> list[np.ndarray]:
    """Do jobs over ``size`` scores in all, in threads where that pays: NumPy lets go of the interpreter's lock."""
    threads = torch.get_num_threads()
    if threads == 1 or size < _WORTH_A_THREAD:
        return list(map(work, jobs))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, jobs))
