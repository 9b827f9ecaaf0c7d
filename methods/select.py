"""Exact selection by score: the k best, ties broken by index, without sorting."""

import numpy as np
import torch
from torch import Tensor


def kth_largest(values: Tensor, k: int) -> Tensor:
    """Return the k-th largest of a flat tensor as a 0-dimensional tensor on its device (no host sync on CUDA)."""
    if values.is_cuda:
        return torch.kthvalue(values, values.numel() - k + 1).values
    # NumPy's partition is a vectorised quickselect: several times faster than torch.kthvalue on a CPU.
    flat = values.numpy()
    return torch.tensor(np.partition(flat, flat.size - k)[flat.size - k])


def top_k(scores: Tensor, k: int, among: Tensor) -> Tensor:
    """Mark the ``k`` highest scores among candidates.

    Args:
        scores: Non-negative scores, shape (n,).
        k: How many to take; at most the number of candidates.
        among: Candidates, bool, shape (n,).

    Returns:
        Bool mask, shape (n,), with exactly ``k`` set: where scores tie at the threshold, the lowest indices.
    """
    if k == 0:
        return torch.zeros_like(among)
    scores = torch.where(among, scores, -1.0)
    threshold = kth_largest(scores, k)
    above = scores > threshold
    tied = scores == threshold
    missing = k - torch.count_nonzero(above)
    if scores.is_cuda or int(torch.count_nonzero(tied)) != int(missing):
        tied &= torch.cumsum(tied, 0) <= missing
    return above | tied


def exchange(alive: Tensor, active: int, magnitude: Tensor, score: Tensor, k: int) -> Tensor:
    """Drop the ``k`` smallest magnitudes, then grow the ``k`` highest scores among all that are inactive.

    Those just dropped may grow again (METHODS.md, "Drop and grow").

    Args:
        alive: Active weights, bool, shape (n,).
        active: Their number.
        magnitude: |w|, shape (n,).
        score: Growth score, non-negative, shape (n,).
        k: Weights to exchange, at most ``active``.

    Returns:
        The new mask, bool, shape (n,), with ``active`` set.
    """
    kept = top_k(magnitude, active - k, alive)
    return kept | top_k(score, k, ~kept)
