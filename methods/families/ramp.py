"""The pruning ramp that GMP and GraNet share."""

from dataclasses import dataclass

from methods.base import Method, Moment, check_fraction, check_interval
from methods.parts.schedules import cubic_density, ramp_share


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

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return () if self.init_density < 1 else ("distribution",)

    def initial_density(self, target: float) -> float:
        """Return ``init_density``, or the target if that is denser."""
        return max(self.init_density, target)

    def marks(self) -> tuple[float, ...]:
        """Include the end of the ramp, so that no run misses its target because a tick fell outside the ramp."""
        return (self.prune_end,)

    def density(self, moment: Moment, target: float) -> float | None:
        """Global density after the pruning at this moment; None if there is none."""
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
