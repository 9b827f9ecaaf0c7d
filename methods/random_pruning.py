"""Gradual pruning at random: the control of gradual magnitude pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Look, Moment
from methods.gmp import GMP
from methods.parts.distributions import Shape, exact_counts
from methods.registry import register

if TYPE_CHECKING:
    from methods.parts.masks import Masks


@register("random_pruning")
@dataclass
class RandomPruning(GMP):
    """GMP with random scores (Liu et al. 2022): the same densities over time, whatever the weights.

    All layers have the same density at each tick. That is the expected outcome of a random choice among all weights of
    the network, and makes costs known in advance.
    """

    summary: ClassVar[str] = "Prunes random weights step by step: the control of gmp."
    paper: ClassVar[str] = "Liu et al. 2022, arXiv:2202.02643"
    look: ClassVar[Look | None] = Look("#ee7733", "wedge").hollow()

    prunes_globally: ClassVar[bool] = False

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("distribution",)

    def layer_densities(self, shapes: Sequence[Shape], density: float) -> list[float]:
        """Return the same density for every layer, the first convolution included."""
        return [density] * len(shapes)

    def layer_counts(self, shapes: Sequence[Shape], density: float, active: Sequence[int] | None = None) -> list[int]:
        """Active weights of the layers: exactly the target's total at each tick, and no layer's count ever grows."""
        return exact_counts(shapes, self.layer_densities(shapes, density), density, active)

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep a random choice of each layer's active weights; pruned weights never return."""
        density = self.density(moment, target)
        if density is not None:
            scores = [masks.random(layer).where(masks.alive(layer), -1.0) for layer in range(len(masks))]
            masks.keep_layers(scores, self.layer_counts(masks.shapes, density, masks.active))
