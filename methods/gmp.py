"""Gradual magnitude pruning, global and layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Look, Moment
from methods.families.ramp import PruningRamp
from methods.parts.distributions import Shape, exact_counts, kept
from methods.registry import register

if TYPE_CHECKING:
    from methods.parts.masks import Masks

_LOOK = Look("#ee7733", "triangle")


@register("gmp")
@dataclass
class GMP(PruningRamp):
    """GMP with one threshold over all layers, the variant of the GraNet comparison (Liu et al. 2021)."""

    family: ClassVar[str] = "gradual_pruning"
    summary: ClassVar[str] = "Starts dense and prunes the smallest weights of the whole network, step by step."
    paper: ClassVar[str] = "Zhu & Gupta 2017, arXiv:1710.01878"
    look: ClassVar[Look | None] = _LOOK

    prunes_globally: ClassVar[bool] = True

    def event(self, moment: Moment) -> Event | None:
        """Prune at every tick of the ramp."""
        return None if self.density(moment, 0.0) is None else Event()

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the largest weights of all layers together; pruned weights never return."""
        density = self.density(moment, target)
        if density is not None:
            masks.prune_globally(kept(density, masks.maskable))


@register("gmp_uniform")
@dataclass
class GMPUniform(GMP):
    """GMP layer by layer, first convolution dense (Zhu & Gupta 2017, Gale et al. 2019).

    The published ResNet-50 window, 10k to 25k of 32k steps, is ``prune_start=0.3125 prune_end=0.78125``.
    """

    summary: ClassVar[str] = "GMP layer by layer, all at one density but the first, which stays dense."
    paper: ClassVar[str] = "Gale et al. 2019, arXiv:1902.09574"
    look: ClassVar[Look | None] = _LOOK.hollow()

    prunes_globally: ClassVar[bool] = False

    distribution: str = "uniform"
    prune_start: float = 0.3125
    prune_end: float = 0.78125

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ()

    def layer_counts(self, shapes: Sequence[Shape], density: float, active: Sequence[int] | None = None) -> list[int]:
        """Active weights of the layers: exactly the target's total at each tick, and no layer's count ever grows."""
        return exact_counts(shapes, self.layer_densities(shapes, density), density, active)

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the largest weights of each layer."""
        density = self.density(moment, target)
        if density is not None:
            masks.prune_layers(self.layer_counts(masks.shapes, density, masks.active))
