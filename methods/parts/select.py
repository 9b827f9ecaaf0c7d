"""Exact selection by score: the k best, ties broken by index, without sorting and without waiting for a device."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from methods.parts import select_device as radix_select
from methods.parts import select_host as quickselect

# A thread has to win more than it costs to start.
_WORTH_A_THREAD = 1 << 20


def top_k_each(scores: Sequence[Tensor], counts: Sequence[int], among: Sequence[Tensor]) -> list[Tensor]:
    """Mark the highest scores of each tensor among its candidates.

    Args:
        scores: Scores, of which the magnitudes count, each of shape (n,).
        counts: How many to take of each; at most the number of candidates.
        among: Not 0 at candidates, of the scores' shapes.

    Returns:
        Bool masks of the scores' shapes with exactly ``counts[l]`` set: where scores tie at the threshold, the lowest
        indices.
    """
    if not _on_host(scores):
        return radix_select.mark_each(scores, counts, among)
    jobs = zip(_arrays(scores), counts, _arrays(among), strict=True)
    with _workers(scores) as each:
        marked = each(lambda job: quickselect.mark([(job[0], job[2])], job[1])[0], jobs)
        return [torch.from_numpy(part) for part in marked]


def top_k_jointly(scores: Sequence[Tensor], k: int, among: Sequence[Tensor]) -> list[Tensor]:
    """Mark the ``k`` highest scores of all tensors together; ties go to the first tensor, then the lowest index."""
    if not _on_host(scores):
        (marked,) = radix_select.mark_each([torch.cat(list(scores))], [k], [torch.cat(list(among))])
        return list(marked.split([part.numel() for part in scores]))
    parts = list(zip(_arrays(scores), _arrays(among), strict=True))
    with _workers(scores) as each:
        return [torch.from_numpy(part) for part in quickselect.mark(parts, k, each)]


def exchange_each(
    alive: Sequence[Tensor],
    active: Sequence[int],
    magnitude: Sequence[Tensor],
    score: Sequence[Tensor],
    exchanged: Sequence[int],
) -> list[Tensor]:
    """Drop the smallest magnitudes of each tensor, then grow the highest scores among all that are inactive.

    Those just dropped may grow again (METHODS.md, "Drop and grow").

    Args:
        alive: Not 0 at active weights, each of shape (n,).
        active: Their numbers.
        magnitude: w or |w|.
        score: Growth scores, of which the magnitudes count.
        exchanged: How many to drop and grow in each; at most the active ones.

    Returns:
        The new masks, bool, with ``active[l]`` set in each.
    """
    if not _on_host(magnitude):
        kept = radix_select.mark_each(magnitude, [n - k for n, k in zip(active, exchanged, strict=True)], alive)
        grown = radix_select.mark_each(score, exchanged, [~part for part in kept])
        return [old | new for old, new in zip(kept, grown, strict=True)]
    jobs = zip(_arrays(alive), active, _arrays(magnitude), _arrays(score), exchanged, strict=True)
    with _workers(magnitude) as each:
        return [torch.from_numpy(part) for part in each(lambda job: quickselect.exchange(*job), jobs)]


def count_each(masks: Sequence[Tensor]) -> list[int]:
    """Count what each bool mask marks; on a device this is where the host waits, once."""
    if _on_host(masks):
        return [int(np.count_nonzero(mask.numpy())) for mask in masks]
    return torch.stack([torch.count_nonzero(mask) for mask in masks]).tolist()


def _on_host(tensors: Sequence[Tensor]) -> bool:
    return all(tensor.device.type == "cpu" for tensor in tensors)


def _arrays(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Return tensors as arrays, without copying those of float32, float64 and bool."""
    narrow = (torch.float16, torch.bfloat16)  # float32 holds all their values
    return [(tensor.float() if tensor.dtype in narrow else tensor).numpy() for tensor in tensors]


@contextmanager
def _workers(scores: Sequence[Tensor]) -> Iterator[Any]:
    """Give a ``map`` over jobs; in threads where that pays, since NumPy lets go of the interpreter's lock."""
    threads = min(torch.get_num_threads(), len(scores))
    if threads < 2 or sum(part.numel() for part in scores) < _WORTH_A_THREAD:
        yield map
        return
    with ThreadPoolExecutor(threads) as pool:
        yield pool.map
