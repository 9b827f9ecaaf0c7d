"""Exact selection of the k highest scores, ties broken by index, without sorting or waiting for a device."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from methods.parts import select_device, select_host

# Scores from which starting threads pays.
_WORTH_A_THREAD = 1 << 20


def top_k_each(scores: Sequence[Tensor], counts: Sequence[int], among: Sequence[Tensor]) -> list[Tensor]:
    """Mark the highest scores of each tensor among its candidates.

    Args:
        scores: Scores, of which the magnitudes count, each of shape (n,).
        counts: How many to mark in each; at most the number of candidates.
        among: Non-zero at candidates, of the scores' shapes.

    Returns:
        Bool masks of the scores' shapes with exactly ``counts[l]`` set; of scores that tie at the threshold, those with
        the lowest indices.
    """
    if not _on_host(scores):
        return select_device.mark_each(scores, counts, among)
    jobs = zip(_arrays(scores), counts, _arrays(among), strict=True)
    with _workers(scores) as each:
        marked = each(lambda job: select_host.mark([(job[0], job[2])], job[1])[0], jobs)
        return [torch.from_numpy(part) for part in marked]


def top_k_jointly(scores: Sequence[Tensor], k: int, among: Sequence[Tensor]) -> list[Tensor]:
    """Mark the ``k`` highest scores of all tensors together; ties go to the first tensor, then the lowest index."""
    if not _on_host(scores):
        (marked,) = select_device.mark_each([torch.cat(list(scores))], [k], [torch.cat(list(among))])
        return list(marked.split([part.numel() for part in scores]))
    parts = list(zip(_arrays(scores), _arrays(among), strict=True))
    with _workers(scores) as each:
        return [torch.from_numpy(part) for part in select_host.mark(parts, k, each)]


def exchange_each(
    alive: Sequence[Tensor],
    active: Sequence[int],
    magnitude: Sequence[Tensor],
    score: Sequence[Tensor],
    exchanged: Sequence[int],
) -> list[Tensor]:
    """Drop the smallest magnitudes of each tensor, then grow the highest scores among all that are inactive.

    Weights just dropped may grow again.

    Args:
        alive: Non-zero at active weights, each of shape (n,).
        active: Number of active weights in each.
        magnitude: w or |w|.
        score: Growth scores, of which the magnitudes count.
        exchanged: How many to drop and grow in each; at most ``active``.

    Returns:
        The new masks, bool, with ``active[l]`` set in each.
    """
    if not _on_host(magnitude):
        kept = select_device.mark_each(magnitude, [n - k for n, k in zip(active, exchanged, strict=True)], alive)
        grown = select_device.mark_each(score, exchanged, [~part for part in kept])
        return [old | new for old, new in zip(kept, grown, strict=True)]
    jobs = zip(_arrays(alive), active, _arrays(magnitude), _arrays(score), exchanged, strict=True)
    with _workers(magnitude) as each:
        return [torch.from_numpy(part) for part in each(lambda job: select_host.exchange(*job), jobs)]


def highest_each(scores: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
    """Mark the ``counts[l]`` highest *signed* scores of each tensor; ties go to the first, and NaN comes last.

    Args:
        scores: Flat tensors on one device.
        counts: How many to mark in each, at most its scores.

    Returns:
        Bool masks of the scores' shapes.
    """
    scores = _of_one_type(scores)
    positive = [part >= 0 for part in scores]
    above = count_each(positive)
    few = [layer for layer, count in enumerate(counts) if count <= above[layer]]
    rest = [layer for layer, count in enumerate(counts) if count > above[layer]]
    taken = top_k_each([scores[i] for i in few], [counts[i] for i in few], [positive[i] for i in few])
    # Of negative scores those go that are farthest from 0, and of ties the last: the first ones of what is reversed.
    left = top_k_each(
        [scores[i].flip(0) for i in rest],
        [scores[i].numel() - counts[i] for i in rest],
        [~positive[i].flip(0) for i in rest],
    )
    marked = {**dict(zip(few, taken, strict=True)), **{i: ~part.flip(0) for i, part in zip(rest, left, strict=True)}}
    return [marked[layer] for layer in range(len(scores))]


def highest_jointly(scores: Sequence[Tensor], count: int) -> list[Tensor]:
    """Mark the ``count`` highest signed scores of all tensors together; see `highest_each`."""
    sizes = [part.numel() for part in scores]
    (marked,) = highest_each([torch.cat(_of_one_type(scores))], [count])
    return list(marked.split(sizes))


def _of_one_type(scores: Sequence[Tensor]) -> list[Tensor]:
    wide = any(part.dtype == torch.float64 for part in scores)
    return [part.to(torch.float64 if wide else torch.float32) for part in scores]


def count_each(masks: Sequence[Tensor]) -> list[int]:
    """Count the entries set in each bool mask; on a device the host waits for the result, once."""
    if _on_host(masks):
        return [int(np.count_nonzero(mask.numpy())) for mask in masks]
    return torch.stack([torch.count_nonzero(mask) for mask in masks]).tolist()


def _on_host(tensors: Sequence[Tensor]) -> bool:
    return all(tensor.device.type == "cpu" for tensor in tensors)


def _arrays(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Return tensors as arrays; float32, float64 and bool are not copied."""
    narrow = (torch.float16, torch.bfloat16)  # float32 holds all their values
    return [(tensor.float() if tensor.dtype in narrow else tensor).numpy() for tensor in tensors]


@contextmanager
def _workers(scores: Sequence[Tensor]) -> Iterator[Any]:
    """Yield a ``map`` over jobs, threaded if that pays: NumPy releases the interpreter's lock."""
    threads = min(torch.get_num_threads(), len(scores))
    if threads < 2 or sum(part.numel() for part in scores) < _WORTH_A_THREAD:
        yield map
        return
    with ThreadPoolExecutor(threads) as pool:
        yield pool.map
