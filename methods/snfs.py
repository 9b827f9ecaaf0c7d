"""Sparse momentum: growth where smoothed gradients are large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Look, Method, Moment, check_fraction, check_interval
from methods.parts.distributions import Shape
from methods.parts.schedules import cosine_fraction
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks

_NEARLY_DENSE = 0.2  # sparsity below which a layer loses at most that share of its weights


@register("snfs")
@dataclass
class SNFS(Method):
    """Sparse networks from scratch, or sparse momentum (Dettmers & Zettlemoyer 2019).

    Every ``interval`` iterations (one epoch in the paper) each layer drops its smallest weights. The whole network
    grows as many where the exponentially smoothed gradient is largest; a layer's share of them is its share of the mean
    smoothed gradient of active weights. So layers exchange weights, and only the total is fixed.

    The smoothed gradient is that of the loss alone, without weight decay, and the method keeps it itself: the
    optimiser's momentum is zero for inactive weights. It needs dense gradients in every step and is charged for them.
    Initial masks follow ``distribution``; the paper gives all layers the same density.

    Attributes:
        fraction: Share of a layer's active weights dropped at the start; it decays along a half cosine.
        final_fraction: Share dropped at the end.
        smoothing: Weight of the past in the smoothed gradient, alpha in the paper.
    """

    family: ClassVar[str] = "gradient_growth"
    summary: ClassVar[str] = "Drops the smallest weights and grows, in any layer, where gradients stay large."
    paper: ClassVar[str] = "Dettmers & Zettlemoyer 2019, arXiv:1907.04840"
    look: ClassVar[Look | None] = Look("#0077bb", "hexagon").hollow()

    prunes_globally: ClassVar[bool] = True

    interval: int = 400
    fraction: float = 0.5
    final_fraction: float = 0.005
    smoothing: float = 0.9

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_interval(self)
        for field in ("fraction", "final_fraction"):
            check_fraction(field, getattr(self, field))
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"method.smoothing: {self.smoothing} is not in [0, 1)")

    def gradient_counts(self, shapes: Sequence[Shape], active: Sequence[int], target: float) -> list[int]:
        """Return all weights."""
        return [math.prod(shape) for shape in shapes]

    def start(self, masks: Masks, target: float) -> None:
        """Draw the masks; nothing is smoothed yet."""
        super().start(masks, target)
        if target < 1:
            masks.remember("momentum", [masks.weight(layer).new_zeros(n) for layer, n in enumerate(masks.sizes)])

    def each_step(self, masks: Masks) -> None:
        """Smooth the gradients of all weights."""
        for layer, momentum in enumerate(masks.memory["momentum"]):
            momentum.lerp_(masks.gradient(layer), 1 - self.smoothing)

    def event(self, moment: Moment) -> Event | None:
        """Exchange every ``interval`` iterations."""
        return None if moment.step % self.interval else Event()

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Drop in each layer, grow in the whole network."""
        from methods.parts.select import top_k_each

        rate = cosine_fraction(moment.position, self.fraction, end=self.final_fraction)
        dropped = [dropped_from(active, size, rate) for active, size in zip(masks.active, masks.sizes, strict=True)]
        if not any(dropped):
            return
        layers = range(len(masks))
        remaining = [active - count for active, count in zip(masks.active, dropped, strict=True)]
        alive = [masks.alive(layer) for layer in layers]
        momentum = masks.memory["momentum"]
        shares = _mean_magnitudes(momentum, alive, masks.active)
        room = [size - count for size, count in zip(masks.sizes, remaining, strict=True)]
        grown = divided(sum(dropped), shares, room)
        kept = top_k_each([masks.magnitude(layer) for layer in layers], remaining, alive)
        new = top_k_each(momentum, grown, [~mask for mask in kept])
        masks.set_all({layer: kept[layer] | new[layer] for layer in layers})


def dropped_from(active: int, size: int, rate: float) -> int:
    """Return how many of a layer's active weights are dropped: rounded up, and fewer from nearly dense layers."""
    sparsity = 1 - active / size
    return min(math.ceil((min(rate, sparsity) if sparsity < _NEARLY_DENSE else rate) * active), active)


def divided(total: int, shares: Sequence[float], room: Sequence[int]) -> list[int]:
    """Divide ``total`` among layers in proportion to their shares, exactly, and no layer gets more than its room.

    What a full layer cannot take is divided among the others in the same proportion, in equal parts if all their shares
    are zero. Parts are rounded by largest remainder; of equal ones the first layer is rounded up.

    Args:
        total: At most the sum of ``room``.
        shares: Not negative; NaN and infinity count as zero.
        room: Most that each layer can take.
    """
    shares = [share if math.isfinite(share) else 0.0 for share in shares]
    given = [0] * len(room)
    live = list(range(len(room)))
    while True:
        left = total - sum(given)
        whole = sum(shares[layer] for layer in live)
        parts = {layer: left * (shares[layer] / whole if whole else 1 / len(live)) for layer in live}
        full = [layer for layer in live if parts[layer] >= room[layer]]
        for layer in full:
            given[layer] = room[layer]
        live = [layer for layer in live if layer not in full]
        if not full or not live:
            break
    for layer in live:
        given[layer] = math.floor(parts[layer])
    by_remainder = sorted(live, key=lambda layer: (given[layer] - parts[layer], layer))
    for layer in by_remainder[: total - sum(given)]:
        given[layer] += 1
    return given


def _mean_magnitudes(momentum: Sequence[Tensor], alive: Sequence[Tensor], active: Sequence[int]) -> list[float]:
    """Return the mean magnitude over the active weights of each layer, 0 for a layer that has none."""
    import torch

    sums = [(part.abs() * mask).sum(dtype=torch.float64) for part, mask in zip(momentum, alive, strict=True)]
    return [total / max(count, 1) for total, count in zip(torch.stack(sums).tolist(), active, strict=True)]
