"""Gradual magnitude pruning, global and layer-wise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from methods.base import Event, Method, Moment, check_fraction, check_interval
from methods.parts.distributions import Shape, layer_counts
from methods.parts.masks import Masks
from methods.parts.schedules import cubic_density, ramp_share
from methods.registry import register


@dataclass
class PruningRamp(Method):
    """A density that falls along a cubic from ``init_density`` to the target (Zhu & Gupta 2017, equation 1).

    Attributes:
        init_density: Global density at the start.
        prune_start: Schedule position at which pruning starts.
        prune_end: Schedule position by which the target is reached.
    """

    interval: int = 1000
    init_density: float = 1.0
    prune_start: float = 0.0
    prune_end: float = 0.5

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_interval(self)
        for field in ("init_density", "prune_start", "prune_end"):
            check_fraction(field, getattr(self, field))
        if not self.prune_start < self.prune_end < 1:
            raise ValueError(
                f"method.prune_end: {self.prune_end} is not between prune_start ({self.prune_start}) and 1"
            )

    def initial_density(self, target: float) -> float:
        """Return ``init_density``, or the target where that is denser."""
        return max(self.init_density, target)

    def marks(self) -> tuple[float, ...]:
        """Ask at the end of the ramp too: no run may miss its target because a tick fell outside it."""
        return (self.prune_end,)

    def density(self, moment: Moment, target: float) -> float | None:
        """Global density after the pruning at this moment; None if none falls on it."""
        share = ramp_share(
            moment.step,
            moment.position,
            moment.previous,
            interval=self.interval,
            start=self.prune_start,
            end=self.prune_end,
            total=moment.total,
        )
        return None if share is None else cubic_density(share, self.initial_density(target), target)


def kept(density: float, maskable: int) -> int:
    """Weights that pruning to ``density`` keeps: rounded down, as the papers' code does, but for float noise."""
    return int(density * maskable + 1e-6)


@register("gmp")
@dataclass
class GMP(PruningRamp):
    """GMP with one threshold over all layers, the variant of the GraNet comparison (Liu et al. 2021)."""

    prunes_globally: ClassVar[bool] = True

    def event(self, moment: Moment) -> Event | None:
        """Prune wherever the ramp falls."""
        return None if self.density(moment, 0.0) is None else Event()

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the largest weights of all layers together; what is pruned never returns."""
        density = self.density(moment, target)
        if density is not None:
            masks.prune_globally(kept(density, masks.maskable))


@register("gmp_uniform", distribution="uniform")
@dataclass
class GMPUniform(GMP):
    """GMP layer by layer, first convolution dense (Zhu & Gupta 2017, Gale et al. 2019).

    The published ResNet-50 window, 10k to 25k of 32k steps, is ``prune_start=0.3125 prune_end=0.78125``.
    """

    prunes_globally: ClassVar[bool] = False

    prune_start: float = 0.3125
    prune_end: float = 0.78125

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the largest weights of each layer."""
        density = self.density(moment, target)
        if density is not None:
            shapes: Sequence[Shape] = masks.shapes
            masks.prune_layers(layer_counts(shapes, self.layer_densities(shapes, density), density))
