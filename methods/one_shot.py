"""One-shot magnitude pruning of a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Look, Method, Moment
from methods.parts.distributions import kept
from methods.registry import register

if TYPE_CHECKING:
    from methods.parts.masks import Masks


@register("one_shot")
@dataclass
class OneShot(Method):
    """Train, prune once by global magnitude, fine-tune to the end of the budget (Han et al. 2015).

    The schedule of the learning rate is not restarted: fine-tuning has the small rates of its end.

    Attributes:
        prune_at: Schedule position of the pruning, between 0 and 1.
    """

    family: ClassVar[str] = "gradual_pruning"
    summary: ClassVar[str] = "Trains, prunes the smallest weights of the whole network once, and fine-tunes the rest."
    paper: ClassVar[str] = "Han et al. 2015, arXiv:1506.02626"
    look: ClassVar[Look | None] = Look("#ee7733", "wedge")

    prunes_globally: ClassVar[bool] = True

    prune_at: float = 0.5

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        if not 0 < self.prune_at < 1:
            raise ValueError(f"method.prune_at: {self.prune_at} is not between 0 and 1")
        if self.interval:
            raise ValueError(f"method.interval: {self.interval} is not 0; {self.name or 'one_shot'} prunes at prune_at")

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("distribution", "interval")

    def initial_density(self, target: float) -> float:
        """Start dense."""
        return 1.0

    def marks(self) -> tuple[float, ...]:
        """Include the position of the pruning."""
        return (self.prune_at,)

    def event(self, moment: Moment) -> Event | None:
        """Prune when ``prune_at`` is reached."""
        return Event() if moment.previous < self.prune_at <= moment.position else None

    def density(self, moment: Moment, target: float) -> float | None:
        """Global density after the pruning."""
        return target

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the largest weights of all layers together."""
        masks.prune_globally(kept(target, masks.maskable))
