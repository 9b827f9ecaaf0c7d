"""Drop-and-grow at fixed density, shared by SET, RigL, ITOP and GraNet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import Event, Method, Moment, check_fraction, check_interval
from methods.parts.schedules import cosine_fraction

if TYPE_CHECKING:
    from methods.parts.masks import Masks

GROWTHS = ("gradient", "random")


@dataclass
class DropAndGrow(Method):
    """Every ``interval`` iterations, drop the smallest weights of each layer and grow as many others.

    Attributes:
        fraction: Share of a layer's active weights exchanged at the start (alpha 0).
        final_fraction: Share exchanged at ``until``.
        until: Schedule position after which the topology is frozen.
        growth: Growth score: ``gradient`` (dense gradient magnitude) or ``random``.
        replaces_step: Whether an event replaces the optimiser step.
    """

    interval: int = 1000
    fraction: float = 0.5
    final_fraction: float = 0.005
    until: float = 1.0
    growth: str = "gradient"
    replaces_step: bool = False

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_interval(self)
        for field in ("fraction", "final_fraction", "until"):
            check_fraction(field, getattr(self, field))
        if self.until == 0:
            raise ValueError("method.until: 0 leaves no time for topology to change; static does that")
        if self.growth not in GROWTHS:
            raise ValueError(f"method.growth: {self.growth!r} is not one of {', '.join(GROWTHS)}")

    def event(self, moment: Moment) -> Event | None:
        """Exchange on every ``interval``-th iteration before ``until``."""
        return None if moment.step % self.interval or self.frozen(moment) else self.exchange()

    def frozen(self, moment: Moment) -> bool:
        """Return whether ``until`` is past."""
        return moment.position >= self.until and self.until < 1

    def exchange(self) -> Event:
        """Return the event of an exchange of weights."""
        return Event(dense_gradient=self.growth == "gradient", replaces_step=self.replaces_step)

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Exchange the share of weights that the cosine gives at this position."""
        fraction = cosine_fraction(moment.position, self.fraction, end=self.final_fraction, until=self.until)
        masks.drop_and_grow([self.exchanged(fraction, active) for active in masks.active], self.growth)

    def exchanged(self, fraction: float, active: int) -> int:
        """Weights to exchange in a layer: rounded up, as ITOP and GraNet do."""
        return min(math.ceil(fraction * active), active)
