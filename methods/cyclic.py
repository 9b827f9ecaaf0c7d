"""Cyclic training of a fixed mask: is iterative pruning more than the repetition of its schedule?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Look, Moment, Probe, Rewinding
from methods.families.at_initialisation import AtInitialisation
from methods.grasp import GraSP
from methods.init_baselines import MagnitudeInit, RandomInit
from methods.registry import register
from methods.snip import SNIP
from methods.synflow import SynFlow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from methods.parts.distributions import Shape
    from methods.parts.masks import Masks

INITS: dict[str, type[AtInitialisation]] = {
    "random": RandomInit,
    "magnitude": MagnitudeInit,
    "snip": SNIP,
    "grasp": GraSP,
    "synflow": SynFlow,
}
_MOST = 100  # cycles


@register("cyclic")
@dataclass
class Cyclic(AtInitialisation):
    """Train a fixed mask through several whole schedules within one budget (Gadhikar et al. 2024).

    Weights, optimiser state and statistics continue from cycle to cycle, as in learning-rate rewinding; nothing is
    pruned in between. The default number of cycles is that of ``lr_rewind`` with its default rounds. Sparsity 0 is
    cyclic dense training.

    Attributes:
        init: What finds the mask: ``random`` (with ``distribution``), ``magnitude``, ``snip``, ``grasp`` or
            ``synflow``, each with its default settings.
        cycles: Schedules in the budget.
    """

    family: ClassVar[str] = "rewinding"
    summary: ClassVar[str] = "Repeats the schedule on a fixed mask: the control of rewinding."
    paper: ClassVar[str] = "Gadhikar et al. 2024, arXiv:2406.02773"
    look: ClassVar[Look | None] = Look("#009988", "arrow")

    init: str = "random"
    cycles: int = 4

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        if self.init not in INITS:
            raise ValueError(f"method.init: {self.init[:80]!r} is not one of {', '.join(INITS)}")
        if not 1 <= self.cycles <= _MOST:
            raise ValueError(f"method.cycles: {self.cycles} is not in 1...{_MOST}")
        if self.interval:
            raise ValueError(f"method.interval: {self.interval} is not 0; {self.name or 'cyclic'} changes no mask")

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return INITS[self.init]().unread()

    def layer_counts(self, shapes: Sequence[Shape], density: float, active: Sequence[int] | None = None) -> list[int]:
        """Active weights of the layers: exact for random masks, an estimate otherwise."""
        return self._init().layer_counts(shapes, density, active)

    def keeps_largest(self) -> bool:
        """Return whether the mask is that of the largest weights."""
        return self._init().keeps_largest()

    def probe(self, target: float) -> Probe | None:
        """Request what finding the mask takes."""
        return self._init().probe(target)

    def prune(self, masks: Masks, target: float) -> None:
        """Find the mask."""
        self._init().prune(masks, target)

    def event(self, moment: Moment) -> Event | None:
        """Mark the end of a cycle; nothing is pruned."""
        return Event() if moment.round else None

    def rewinding(self, target: float) -> Rewinding | None:
        """Return the cycles after the first."""
        return Rewinding(self.cycles - 1, 0.0, weights=False) if self.cycles > 1 else None

    def _init(self) -> AtInitialisation:
        return INITS[self.init](distribution=self.distribution)
