"""Iterative magnitude pruning with rewinding of the weights (lottery tickets) or of the learning rate alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Look, Method, Moment, Rewinding, check_fraction
from methods.parts.distributions import kept
from methods.registry import register

if TYPE_CHECKING:
    from methods.parts.masks import Masks

_MOST = 100  # rounds
_DIGITS = 0.0005  # of a density: a paper writes a sparsity to three decimals, 0.893 for 1 - 0.8^10
_NEAR = 0.2  # of a round: what those decimals may be worth where few weights remain
_MISSED = 0.01  # of a round: what more decimals, as in 0.36 for 1 - 0.8^2, always may
_LOOK = Look("#009988", "star")


@register("lth_rewind")
@dataclass
class WeightRewinding(Method):
    """Train, prune by global magnitude, rewind the weights, train again (Frankle et al. 2020).

    Remaining weights, momentum and statistics return to their values at ``rewind_to``. Each round keeps the same share
    of weights, ``(1 - sparsity) ** (1 / rounds)``, so the target is hit exactly; or the papers' share, see ``share``.
    The rounds share one budget unless each has its own (``budget.rounds=each``).

    Attributes:
        rounds: Prunings, each followed by training from ``rewind_to`` to the end; 1 is one-shot.
        share: Share of the remaining weights that each round prunes instead (0.2 in the papers), in as many rounds
            as the sparsity takes, the last of which prunes the rest; 0 for ``rounds`` equal shares. A sparsity that is
            that of whole rounds to three decimals (0.893 for ten fifths) takes these.
        rewind_to: Schedule position to return to. Renda et al.: epoch 12 of 182 for weights, 0 for LR rewinding.
        rewind_weights: Whether weights return too.
    """

    family: ClassVar[str] = "rewinding"
    summary: ClassVar[str] = "Trains, prunes and rewinds the weights to an early point, in rounds."
    paper: ClassVar[str] = "Frankle et al. 2020, arXiv:1912.05671"
    look: ClassVar[Look | None] = _LOOK

    prunes_globally: ClassVar[bool] = True

    rounds: int = 3
    share: float = 0.0
    rewind_to: float = 12 / 182
    rewind_weights: bool = True

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_fraction("rewind_to", self.rewind_to)
        if self.rewind_to == 1:
            raise ValueError("method.rewind_to: 1 leaves no training after a round")
        if not 1 <= self.rounds <= _MOST:
            raise ValueError(f"method.rounds: {self.rounds} is not in 1...{_MOST}")
        if not 0 <= self.share < 1:
            raise ValueError(f"method.share: {self.share} is not in [0, 1)")

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("distribution", "interval")

    def initial_density(self, target: float) -> float:
        """Start dense."""
        return 1.0

    def density(self, moment: Moment, target: float) -> float | None:
        """Global density after the pruning at the end of a round."""
        return self._density(moment.round, target)

    def event(self, moment: Moment) -> Event | None:
        """Prune when a round is over."""
        return Event() if moment.round else None

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the largest weights of all layers together, as they are at the end of training."""
        masks.prune_globally(kept(self._density(moment.round, target), masks.maskable))

    def rewinding(self, target: float) -> Rewinding:
        """Rounds and the position they return to."""
        return Rewinding(self._rounds(target), self.rewind_to, self.rewind_weights)

    def _rounds(self, target: float) -> int:
        if not self.share:
            return self.rounds
        # A target that whole rounds reach up to its written digits needs no further round.
        exact = math.log(target) / math.log1p(-self.share)
        whole = round(exact)
        meant = abs((1 - self.share) ** whole - target) <= _DIGITS and abs(exact - whole) <= _NEAR
        return self._allowed(whole if meant else math.ceil(exact - _MISSED))

    def _allowed(self, rounds: int) -> int:
        """Return a number of rounds that follows from ``share``, at least 1, unless it is too large."""
        if rounds > _MOST:
            raise ValueError(f"method.share: {self.share} would take {rounds:,} rounds to this sparsity, over {_MOST}")
        return max(rounds, 1)

    def _density(self, done: int, target: float) -> float:
        """Global density after so many rounds."""
        if not self.share:
            return target ** (done / self.rounds)
        return target if done == self._rounds(target) else (1 - self.share) ** done


@register("lr_rewind")
@dataclass
class LearningRateRewinding(WeightRewinding):
    """The same with only the learning-rate schedule rewound: weights keep their values (Renda et al. 2020)."""

    summary: ClassVar[str] = "Trains, prunes and rewinds only the learning rate, in rounds."
    paper: ClassVar[str] = "Renda et al. 2020, arXiv:2003.02389"
    look: ClassVar[Look | None] = _LOOK.hollow()

    rewind_to: float = 0.0
    rewind_weights: bool = False
