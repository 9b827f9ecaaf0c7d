"""AC/DC: phases of dense and of sparse training in turn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Look, Method, Moment
from methods.parts.distributions import kept
from methods.registry import register

if TYPE_CHECKING:
    from methods.parts.masks import Masks

_PHASES = ("dense", "compressed", "decompressed", "last_decompressed", "last_compressed")
_DIGITS = 12  # positions are rounded, so that 0.1 + 0.05 and step 15 of 100 are the same float


@register("acdc")
@dataclass
class ACDC(Method):
    """AC/DC (Peste et al. 2021): the network is pruned and set free again, several times.

    A compressed phase keeps the largest weights of the whole network and trains them alone. A decompressed phase
    trains all weights; the returning ones start at zero. The defaults are the paper's ImageNet schedule: of 100 epochs,
    compression at 10, 20, ... 70 and 85, decompression at 15, 25, ... 65 and 75. The paper's variant with a dense first
    convolution is ``dense_layers`` of a suite or run.

    Attributes:
        dense: Share of training before the first compression.
        compressed: Share of each compressed phase.
        decompressed: Share of each decompressed phase between two compressed ones.
        last_decompressed: Share of the last decompressed phase.
        last_compressed: Share of the last compressed phase, which ends the training.
        reset_momentum: Whether decompression sets the optimiser state of all weights to zero, as the released runs do;
            otherwise only that of the returning ones is zero.
    """

    family: ClassVar[str] = "alternating"
    summary: ClassVar[str] = "Prunes the whole network and sets it free again, in turn; ends pruned."
    paper: ClassVar[str] = "Peste et al. 2021, arXiv:2106.12379"
    look: ClassVar[Look | None] = Look("#882255", "left")

    prunes_globally: ClassVar[bool] = True

    dense: float = 0.1
    compressed: float = 0.05
    decompressed: float = 0.05
    last_decompressed: float = 0.1
    last_compressed: float = 0.15
    reset_momentum: bool = True

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        for field in _PHASES:
            if not 0 < getattr(self, field) < 1:
                raise ValueError(f"method.{field}: {getattr(self, field)} is not between 0 and 1")
        needed = self.dense + self.compressed + self.last_decompressed + self.last_compressed
        if needed > 1 + 10**-_DIGITS:
            raise ValueError(
                f"method.last_compressed: {self.last_compressed} leaves no time; dense, one compressed and the last "
                f"two phases take {needed:g} of the training, which is over 1"
            )

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("distribution", "interval")

    def initial_density(self, target: float) -> float:
        """Start dense."""
        return 1.0

    def phases(self) -> list[tuple[float, bool]]:
        """Return the positions at which phases begin after the dense start, and whether each is compressed."""
        last = 1 - self.last_compressed
        before = last - self.last_decompressed
        period = self.compressed + self.decompressed
        more = math.floor((before - self.dense - self.compressed) / period + 10**-_DIGITS)
        begun = []
        for number in range(more + 1):
            start = self.dense + number * period
            begun += [(start, True), (before if number == more else start + self.compressed, False)]
        return [(round(at, _DIGITS), compressed) for at, compressed in [*begun, (last, True)]]

    def marks(self) -> tuple[float, ...]:
        """Return where phases begin."""
        return tuple(at for at, _ in self.phases())

    def event(self, moment: Moment) -> Event | None:
        """Begin a phase."""
        return None if self._begins(moment) is None else Event()

    def density(self, moment: Moment, target: float) -> float | None:
        """Global density of the phase that begins at this moment."""
        compressed = self._begins(moment)
        return None if compressed is None else target if compressed else 1.0

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the largest weights of all layers together, or make all weights active."""
        if self._begins(moment):
            masks.prune_globally(kept(target, masks.maskable))
        elif sum(masks.active) < masks.maskable:
            masks.set_all({layer: masks.alive(layer).fill_(True) for layer in range(len(masks))})
            if self.reset_momentum:
                masks.reset_state()

    def _begins(self, moment: Moment) -> bool | None:
        """Return whether the phase that begins at this moment is compressed; None if none begins."""
        begun = [compressed for at, compressed in self.phases() if moment.previous < at <= moment.position]
        return begun[-1] if begun else None
