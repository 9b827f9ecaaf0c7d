"""GraNet: gradual pruning with zero-cost neuroregeneration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Look, Moment
from methods.families.drop_and_grow import DropAndGrow
from methods.families.ramp import PruningRamp
from methods.parts.distributions import kept
from methods.registry import register

if TYPE_CHECKING:
    from methods.parts.masks import Masks

_LOOK = Look("#ee3377", "down")


@register("granet")
@dataclass
class GraNet(DropAndGrow, PruningRamp):
    """GraNet (Liu et al. 2021): GMP's ramp, each tick followed by drop-and-grow with gradient growth.

    From 50 % ERK masks to the target by default. Layer densities follow global magnitude.
    """

    family: ClassVar[str] = "pruning_and_growth"
    summary: ClassVar[str] = "Starts half dense, prunes step by step and regrows some by gradient."
    paper: ClassVar[str] = "Liu et al. 2021, arXiv:2106.10404"
    look: ClassVar[Look | None] = _LOOK

    prunes_globally: ClassVar[bool] = True

    init_density: float = 0.5

    def event(self, moment: Moment) -> Event | None:
        """Regenerate on every tick until ``until``, and prune on the ticks of the ramp."""
        if self.density(moment, 0.0) is None:
            return super().event(moment)
        return Event() if self.frozen(moment) else self.exchange()

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Prune globally, then exchange weights in each layer; weights just pruned may grow again, from zero."""
        density = self.density(moment, target)
        if density is not None:
            masks.prune_globally(kept(density, masks.maskable))
        if not self.frozen(moment):
            super().update(masks, moment, target)


@register("granet_s0")
@dataclass
class GraNetFromDense(GraNet):
    """GraNet from a dense start, the paper's dense-to-sparse variant."""

    summary: ClassVar[str] = "GraNet from a dense start."
    look: ClassVar[Look | None] = _LOOK.hollow()

    init_density: float = 1.0
