"""A sparse-training method of one's own: it prunes to the target in equal steps during the first half of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sparsebench as sb


@sb.register("my_method")
@dataclass
class MyMethod(sb.Method):
    """Keep the largest weights of the whole network, fewer of them at each of ``cuts`` points.

    Attributes:
        cuts: How often the network is pruned; the last time half-way through training.
    """

    family: ClassVar[str] = "gradual_pruning"
    summary: ClassVar[str] = "Prunes the smallest weights of the whole network in equal steps until half-way."
    prunes_globally: ClassVar[bool] = True

    cuts: int = 4

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        if self.cuts < 1:
            raise ValueError(f"method.cuts: {self.cuts} is not a positive number of prunings")

    def initial_density(self, target: float) -> float:
        """Start dense."""
        return 1.0

    def marks(self) -> tuple[float, ...]:
        """Schedule positions of the prunings."""
        return tuple(0.5 * cut / self.cuts for cut in range(1, self.cuts + 1))

    def event(self, moment: sb.Moment) -> sb.Event:
        """Prune at each of them; no gradient is read."""
        return sb.Event()

    def density(self, moment: sb.Moment, target: float) -> float:
        """Fall by the same amount at each pruning."""
        passed = sum(mark <= moment.position for mark in self.marks())
        return 1 - (1 - target) * passed / self.cuts

    def update(self, masks: sb.Masks, moment: sb.Moment, target: float) -> None:
        """Keep the largest magnitudes of all layers together."""
        masks.prune_globally(round(self.density(moment, target) * masks.maskable))
