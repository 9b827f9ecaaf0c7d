"""Zeroes whatever a mask does not keep, NaN and infinities included."""

from collections.abc import Iterable

import torch
from torch import Tensor

_INTEGER = {2: torch.int16, 4: torch.int32, 8: torch.int64}


@torch.no_grad()
def zero_outside(alive: Tensor, tensors: Iterable[Tensor]) -> None:
    """Set to 0, in place, the entries that a mask does not keep.

    Bit patterns are cleared: NaN * 0 would be NaN, and an inactive weight is 0 whatever it was. (``masked_fill_`` would
    do, but it branches on every weight: ten times slower on a CPU.)

    Args:
        alive: Bool mask, of the tensors' shape.
        tensors: Floating-point tensors.
    """
    ones = alive.view(torch.int8).neg()  # all bits set where alive
    for tensor in tensors:
        integer = _INTEGER[tensor.itemsize]
        ones = ones.to(integer)
        tensor.view(integer).bitwise_and_(ones)
