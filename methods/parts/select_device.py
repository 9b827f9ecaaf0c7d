"""Exact selection on a device without sorting or waiting: radix selection in all tensors of an event at once.

Bit patterns are counted 16 bits at a time, highest first, within the tensors they belong to; each pass fixes 16 bits
of every tensor's threshold. Nothing is read back, so an event never makes the host wait. Works on any device; on a
CPU `methods.parts.select_host` is faster.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.parts.transfer import moved

_SIGNED = {torch.float32: torch.int32, torch.float64: torch.int64}
_DIGIT = 16
_DIGITS = 1 << _DIGIT


def mark_each(scores: Sequence[Tensor], counts: Sequence[int], among: Sequence[Tensor]) -> list[Tensor]:
    """Mark the ``counts[l]`` largest magnitudes of each tensor among its candidates; ties go to the lowest index.

    Args:
        scores: Flat tensors of one type, on one device.
        counts: How many to mark in each; at most the number of its candidates.
        among: Non-zero at candidates, of the same shapes.

    Returns:
        Bool tensors of the same shapes.
    """
    sizes = [part.numel() for part in scores]
    if not scores:
        return []
    keys = _keys(torch.cat(list(scores)), torch.cat(list(among)))
    wanted, lengths = (moved(torch.tensor(numbers), keys.device) for numbers in (counts, sizes))
    owner = torch.repeat_interleave(lengths, output_size=sum(sizes))
    threshold = torch.zeros_like(wanted)
    tied = keys >= 0
    for shift in range(8 * keys.itemsize - _DIGIT, -1, -_DIGIT):
        digit = (keys >> shift) & (_DIGITS - 1)
        chosen, wanted = _digit_of_rank(owner * _DIGITS + digit, tied, wanted)
        threshold |= (chosen << shift) & torch.iinfo(threshold.dtype).max
        tied &= digit == chosen[owner]
    above = keys > threshold[owner]
    # Of entries tied at its threshold a tensor takes the first: ranks over all tensors, minus those before it.
    order = torch.cumsum(tied, 0)
    ends = torch.cumsum(lengths, 0)
    before = torch.cat([order.new_zeros(1), order[ends[:-1] - 1]])
    tied &= order - before[owner] <= wanted[owner]
    return list((above | tied).split(sizes))


def _digit_of_rank(bins: Tensor, counted: Tensor, rank: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each tensor, the digit on which its ``rank``-th largest falls, and its rank within that digit."""
    histogram = torch.zeros(rank.numel() * _DIGITS, dtype=torch.int32, device=bins.device)
    histogram.scatter_add_(0, bins, counted.int())
    at_least = histogram.view(-1, _DIGITS).flip(1).cumsum(1)
    short = at_least < rank[:, None]
    # If none is wanted, no digit falls short and the highest is chosen, which no key has.
    return _DIGITS - 1 - short.sum(1), rank - (at_least * short).amax(1)


def _keys(scores: Tensor, among: Tensor) -> Tensor:
    """Return integers that order as magnitudes do; negative where there is no candidate."""
    if scores.dtype not in _SIGNED:
        scores = scores.float()  # exact from any narrower type
    signed = _SIGNED[scores.dtype]
    return torch.where(among != 0, scores.view(signed) & torch.iinfo(signed).max, -1)
