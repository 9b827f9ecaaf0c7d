"""MEST: sparse training within a memory bound, hard or soft."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Look, Method, Moment, check_fraction, check_interval
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks


@register("mest")
@dataclass
class MEST(Method):
    """MEST (Yuan et al. 2021): drop what matters least and grow at random, less and less ("elastic mutation").

    The importance of a weight is ``|w| + importance |g|`` with the gradient g of the event's batch, both as they are:
    nothing is normalised. Only gradients of active weights are read, so an event is not charged for more.

    The share that is exchanged is full at first, half from ``halve_at`` on and none from ``until`` on: in the released
    runs at epochs 90 and 120 of 160. With the default hard memory bound (MEST+EM) each layer drops ``fraction`` of its
    weights and grows as many. With the soft bound (MEST+EM&S), ``extra`` above 0, a layer has ``extra`` more weights
    than its target between events, so that new weights are trained before they compete. The released run at 90 % is
    ``fraction=0 extra=0.5``. Extra weights are charged like all others and are gone at ``until``.

    Attributes:
        fraction: Share of a layer's target that an event drops below the target.
        extra: Weights above the target between events, as a share of it.
        importance: Weight of the gradient's magnitude, lambda in the paper.
        halve_at: Schedule position from which half is exchanged.
        until: Schedule position from which the topology is frozen.
    """

    family: ClassVar[str] = "random_growth"
    summary: ClassVar[str] = "Drops the least important weights and grows as many at random, fewer each time."
    paper: ClassVar[str] = "Yuan et al. 2021, arXiv:2110.14032"
    look: ClassVar[Look | None] = Look("#33bbee", "left").hollow()

    interval: int = 2000
    fraction: float = 0.2
    extra: float = 0.0
    importance: float = 0.01
    halve_at: float = 0.5625
    until: float = 0.75

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_interval(self)
        for field in ("fraction", "halve_at"):
            check_fraction(field, getattr(self, field))
        for field in ("extra", "importance"):
            if not 0 <= getattr(self, field) < math.inf:
                raise ValueError(f"method.{field}: {getattr(self, field)} is not a number of 0 or more")
        if not 0 < self.until < 1:
            raise ValueError(f"method.until: {self.until} is not between 0 and 1")

    def initial_density(self, target: float) -> float:
        """Return the target with the extra weights."""
        return self._density(0.0, target)

    def marks(self) -> tuple[float, ...]:
        """Include ``until``, where the extra weights go."""
        return (self.until,)

    def event(self, moment: Moment) -> Event | None:
        """Exchange every ``interval`` iterations, and drop the extra weights at ``until``."""
        if moment.position < self.until:
            return None if moment.step % self.interval else Event(gradient=True)
        return Event(gradient=True) if self.extra and moment.previous < self.until else None

    def density(self, moment: Moment, target: float) -> float | None:
        """Global density after the event; None if it never changes."""
        return self._density(moment.position, target) if self.extra else None

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Drop the least important weights of each layer, then grow at random among all that are inactive."""
        from methods.parts.select import top_k_each

        bounds = self.layer_counts(masks.shapes, target)
        counts = self.layer_counts(masks.shapes, self._density(moment.position, target))
        sparse = [layer for layer, size in enumerate(masks.sizes) if min(counts[layer], masks.active[layer]) < size]
        fraction = self.fraction * self._scale(moment.position)
        left = [bounds[layer] - math.floor(fraction * bounds[layer]) for layer in sparse]
        # Rounding may have given a layer one weight less than its target when it had more in all.
        kept = [min(each, counts[layer], masks.active[layer]) for each, layer in zip(left, sparse, strict=True)]
        scores = [importance(masks.weight(layer), masks.gradient(layer), self.importance) for layer in sparse]
        old = top_k_each(scores, kept, [masks.alive(layer) for layer in sparse])
        grown = [counts[layer] - count for layer, count in zip(sparse, kept, strict=True)]
        new = top_k_each([masks.random(layer) for layer in sparse], grown, [~mask for mask in old])
        masks.set_all({layer: old[place] | new[place] for place, layer in enumerate(sparse)})

    def _scale(self, position: float) -> float:
        """Return the share of the full exchange at a schedule position."""
        return 1.0 if position < self.halve_at else 0.5 if position < self.until else 0.0

    def _density(self, position: float, target: float) -> float:
        return min(target * (1 + self.extra * self._scale(position)), 1.0)


def importance(weight: Tensor, gradient: Tensor, share: float) -> Tensor:
    """Return ``|weight| + share |gradient|``, the importance of weights (Yuan et al. 2021, section 3.2)."""
    return weight.abs() + share * gradient.abs()
