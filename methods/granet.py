"""GraNet: gradual pruning with zero-cost neuroregeneration."""

from dataclasses import dataclass
from typing import ClassVar

from methods.base import Event, Moment
from methods.families.drop_and_grow import DropAndGrow
from methods.gmp import PruningRamp, kept
from methods.parts.masks import Masks
from methods.registry import register


@register("granet")
@register("granet_s0", init_density=1.0)
@dataclass
class GraNet(DropAndGrow, PruningRamp):
    """GraNet (Liu et al. 2021): GMP's ramp, each tick followed by drop-and-grow with gradient growth.

    From 50 % ERK masks to the target by default; ``granet_s0`` starts dense. Layer budgets follow global magnitude.
    """

    prunes_globally: ClassVar[bool] = True

    init_density: float = 0.5

    def event(self, moment: Moment) -> Event | None:
        """Regenerate on every tick until ``until``, and prune on those of the ramp."""
        if self.density(moment, 0.0) is None:
            return super().event(moment)
        return Event() if self.frozen(moment) else self.exchange()

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Prune globally, then exchange weights in each layer; what was just pruned may grow again, from zero."""
        density = self.density(moment, target)
        if density is not None:
            masks.prune_globally(kept(density, masks.maskable))
        if not self.frozen(moment):
            super().update(masks, moment, target)
