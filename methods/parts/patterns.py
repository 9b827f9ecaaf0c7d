"""Patterns: where the active weights of a layer may lie, in addition to how many there are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("n:m", "fan_in")


@dataclass(frozen=True)
class Pattern:
    """A rule for the places of active weights, which the referee checks on the final masks.

    ``n:m``: exactly ``n`` of every ``m`` consecutive weights along the input dimension are active. Weights of a
    convolution are grouped over input channels at a fixed position of the kernel. A layer whose input dimension is not
    divisible by ``m`` is dense. ``fan_in``: every output neuron with active weights has the same number of them;
    neurons without any are allowed.

    Attributes:
        kind: ``n:m`` or ``fan_in``.
        n: Active weights of each group; 0 for ``fan_in``.
        m: Weights of each group; 0 for ``fan_in``.
    """

    kind: str
    n: int = 0
    m: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: There is no such pattern; the message names the bad value.
        """
        if self.kind not in KINDS:
            raise ValueError(f"pattern kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.kind == "n:m" and not 1 <= self.n < self.m:
            raise ValueError(f"pattern {self.n}:{self.m} does not keep 1 to m - 1 of every m weights")
        if self.kind == "fan_in" and (self.n or self.m):
            raise ValueError(f"a fan_in pattern has no n and m, not {self.n} and {self.m}")

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Pattern:
        """Return the pattern that `described` wrote into a record.

        Raises:
            ValueError: It describes none.
        """
        kind, n, m = described.get("kind"), described.get("n", 0), described.get("m", 0)
        if not isinstance(kind, str) or not all(type(value) is int for value in (n, m)):
            raise ValueError(f"no pattern is described by {str(dict(described))[:80]}")
        return cls(kind, n, m)

    def described(self) -> dict[str, Any]:
        """Return what a record says of the pattern."""
        return {"kind": self.kind} if self.kind == "fan_in" else {"kind": self.kind, "n": self.n, "m": self.m}

    def holds_for(self, shape: Sequence[int]) -> bool:
        """Return whether a layer with weights of this shape, (out, in, *kernel), follows the pattern or is dense."""
        return self.kind == "fan_in" or (len(shape) > 1 and shape[1] % self.m == 0)

    def counts(self, shapes: Sequence[Sequence[int]]) -> list[int] | None:
        """Return the active weights of each layer if the pattern fixes them, else None.

        Raises:
            ValueError: No layer can follow the pattern, so the network would be dense.
        """
        if self.kind == "fan_in":
            return None
        sizes = [math.prod(shape) for shape in shapes]
        held = [self.holds_for(shape) for shape in shapes]
        if not any(held):
            raise ValueError(f"no layer can keep {self.n} of every {self.m}: {self.m} divides no input dimension")
        return [size // self.m * self.n if holds else size for size, holds in zip(sizes, held, strict=True)]

    def tolerance(self, shapes: Sequence[Sequence[int]], target: int) -> int:
        """Return by how many active weights in all a network may miss its target because of the pattern.

        A common fan-in moves a layer's count in steps of its neurons, so rounding can miss the target by half of the
        widest layer's. More than 1 % of the target is not allowed. ``n:m`` fixes the counts.

        Args:
            shapes: Weight shapes.
            target: Active weights that all layers together should have.
        """
        if self.kind == "n:m":
            return 0
        return max(1, min(max((shape[0] for shape in shapes), default=0) // 2, target // 100))

    def violations(self, mask: Tensor) -> int:
        """Count what breaks the pattern in one layer; 0 if it holds.

        Args:
            mask: Bool, of the weight's shape.

        Returns:
            ``n:m``: groups without exactly ``n`` active weights, or inactive weights if the layer has to be dense.
            ``fan_in``: neurons that have active weights, but not as many as most of these neurons.
        """
        if self.kind == "fan_in":
            fan_ins = mask.reshape(mask.shape[0], -1).sum(1)
            alive = fan_ins[fan_ins > 0]
            return int(alive.numel() - alive.bincount().max()) if alive.numel() else 0
        if not self.holds_for(mask.shape):
            return int((~mask).sum())
        return int((grouped(mask, self.m).sum(-1) != self.n).sum())


def active_neurons(mask: Tensor) -> int:
    """Count the output neurons of a layer that have an active weight; ``mask`` is bool, of the weight's shape."""
    return int(mask.reshape(mask.shape[0], -1).any(1).sum())


def grouped(weight: Tensor, m: int) -> Tensor:
    """Return a weight of shape (out, in, *kernel) as groups of ``m`` along its input dimension, shape (groups, m).

    The groups of one output neuron and kernel position come one after another.
    """
    return weight.movedim(1, -1).reshape(-1, m)


def largest_in_groups(scores: Tensor, n: int, m: int) -> Tensor:
    """Mark the ``n`` largest of every ``m`` consecutive scores along the input dimension.

    Waits for no device and takes the same steps whatever the values, so it can be recorded in a CUDA graph.

    Args:
        scores: Shape (out, in, *kernel), with ``in`` divisible by ``m``.
        n: How many of each group.
        m: Size of a group.

    Returns:
        Bool, of the scores' shape; of equal scores the first are marked.
    """
    import torch

    moved = scores.movedim(1, -1)
    parts = grouped(scores, m).t().contiguous()
    ahead = torch.zeros_like(parts, dtype=torch.int8)
    for place in range(m):
        ahead[place + 1 :] += parts[place] >= parts[place + 1 :]
        ahead[:place] += parts[place] > parts[:place]
    return (ahead < n).t().reshape(moved.shape).movedim(-1, 1)
