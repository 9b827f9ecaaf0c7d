"""SR-STE: N:M sparsity from scratch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Look, Method
from methods.parts.distributions import Shape
from methods.parts.patterns import Pattern, largest_in_groups
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks

_SIZES = (4, 8, 16)
_EXACT = 1e-9  # what the digits of a sparsity such as 0.9375 may miss


@register("sr_ste")
@dataclass
class SRSTE(Method):
    """SR-STE (Zhou et al. 2021): of every M consecutive weights the N largest are used, all are trained.

    The mask of each step follows the stored weights. The gradient of the used weights goes straight through to all, and
    ``decay`` times the weight is added to the gradient of the unused ones. The recipe's weight decay stays.

    N and M follow from the sparsity, ``1 - N / M``, which is a multiple of 1/16: 0.5 is 2:4, 0.75 is 1:4, 0.875 is 1:8,
    0.9375 is 1:16 and 0.8125 is 3:16. Another M is set by ``m``: at 0.75, ``m=8`` is 2:8. Layers whose input dimension
    is not divisible by M stay dense, so a network with such layers ends below its nominal sparsity; its plan and record
    give the density of each layer.

    Attributes:
        m: Size of a group: 4, 8 or 16; 0 for the smallest that the sparsity allows.
        decay: Lambda_w of the paper.
    """

    family: ClassVar[str] = "structured"
    summary: ClassVar[str] = "Uses the N largest of every M weights, as hardware can, and trains all."
    paper: ClassVar[str] = "Zhou et al. 2021, arXiv:2102.04010"
    look: ClassVar[Look | None] = Look("#aa4499", "bowtie")

    prunes_globally: ClassVar[bool] = False

    m: int = 0
    decay: float = 2e-4

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        if self.m not in (0, *_SIZES):
            raise ValueError(f"method.m: {self.m} is not one of 0, {', '.join(map(str, _SIZES))}")
        if not 0 <= self.decay < 1:
            raise ValueError(f"method.decay: {self.decay} is not in [0, 1)")

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("distribution", "interval")

    def pattern(self, target: float) -> Pattern | None:
        """Return N:M at this density; None for the dense network.

        Raises:
            ValueError: No N:M has this density; the message names what is allowed.
        """
        if target == 1:
            return None
        for m in (self.m,) if self.m else _SIZES:
            n = round(target * m)
            if 0 < n < m and abs(target - n / m) < _EXACT:
                return Pattern("n:m", n, m)
        allowed = ", ".join(f"{1 - n / m:g} ({n}:{m})" for n, m in self._ratios())
        raise ValueError(f"{self.name or 'sr_ste'} keeps N of every M weights, so its sparsity is one of {allowed}")

    def layer_densities(self, shapes: Sequence[Shape], density: float) -> list[float]:
        """N / M, and 1 for the layers that stay dense."""
        sizes = [math.prod(shape) for shape in shapes]
        return [count / size for count, size in zip(self.layer_counts(shapes, density), sizes, strict=True)]

    def layer_counts(self, shapes: Sequence[Shape], density: float, active: Sequence[int] | None = None) -> list[int]:
        """Active weights of the layers, as the pattern fixes them.

        Raises:
            ValueError: See `pattern`.
        """
        pattern = self.pattern(density)
        counts = pattern.counts(shapes) if pattern else None
        return [math.prod(shape) for shape in shapes] if counts is None else counts

    def gradient_counts(self, shapes: Sequence[Shape], active: Sequence[int], target: float) -> list[int]:
        """Return all weights: the gradient goes to each."""
        return [math.prod(shape) for shape in shapes]

    def start(self, masks: Masks, target: float) -> None:
        """Choose from the initial weights; all weights are trained."""
        if target < 1:
            self._choose(masks, target)
            masks.train_also({layer: masks.alive(layer).fill_(True) for layer in range(len(masks))})

    def forward_weight(self, weight: Tensor, mask: Tensor, layer: int, masks: Masks) -> Tensor:
        """Return the largest weights of each group, with the gradient of all; the masks follow."""
        pattern = self._pattern_of(layer, masks)
        if pattern is None:
            return weight
        used = largest_in_groups(weight.detach().abs(), pattern.n, pattern.m)
        masks.move(layer, used)
        return weight + (weight * used - weight).detach()

    def each_step(self, masks: Masks) -> None:
        """Add ``decay`` times the weight to the gradient of unused weights."""
        for layer in masks.sparse_layers:
            masks.add_to_gradient(layer, self.decay * masks.weight(layer) * ~masks.alive(layer))

    def finish(self, masks: Masks, target: float) -> None:
        """Keep the largest weights of each group."""
        self._choose(masks, target)

    def _choose(self, masks: Masks, target: float) -> None:
        pattern = self.pattern(target)
        if pattern is not None:
            held = {layer: shape for layer, shape in enumerate(masks.shapes) if pattern.holds_for(shape)}
            magnitudes = {layer: masks.magnitude(layer).view(*shape) for layer, shape in held.items()}
            masks.set_all({layer: largest_in_groups(part, pattern.n, pattern.m) for layer, part in magnitudes.items()})

    def _pattern_of(self, layer: int, masks: Masks) -> Pattern | None:
        """Return the pattern of a layer, None if it is dense; from its count, which the host knows."""
        return self.pattern(masks.active[layer] / masks.sizes[layer])

    def _ratios(self) -> list[tuple[int, int]]:
        """Return every N:M that a sparsity may ask for, at the smallest M that has it."""
        most = self.m or max(_SIZES)
        sizes = [self.m] if self.m else _SIZES
        smallest = [next(m for m in sizes if n * m % most == 0) for n in range(most - 1, 0, -1)]
        return [(n * m // most, m) for n, m in zip(range(most - 1, 0, -1), smallest, strict=True)]
