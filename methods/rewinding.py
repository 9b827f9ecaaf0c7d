"""Iterative magnitude pruning with rewinding: the lottery ticket's, and of the learning rate alone."""

import math
from dataclasses import dataclass
from typing import ClassVar

from methods.base import Event, Method, Moment, Rewinding, check_fraction
from methods.gmp import kept
from methods.parts.masks import Masks
from methods.registry import register

_MOST = 100  # rounds
_WRITTEN = 0.01  # rounds by which the digits of a sparsity such as 0.892626 for 1 - 0.8^10 may miss


@register("lr_rewind", rewind_weights=False, rewind_to=0.0)
@register("lth_rewind")
@dataclass
class IterativeMagnitudePruning(Method):
    """Train, prune by global magnitude, go back, train again.

    ``lth_rewind`` (Frankle et al. 2020): survivors, momentum and statistics return to their values at ``rewind_to``.
    ``lr_rewind`` (Renda et al. 2020): they stay, only the schedule goes back. Each round keeps the same share
    of weights, ``(1 - sparsity) ** (1 / rounds)``, so the target is hit exactly; or the papers' share, see ``share``.
    Under one budget the rounds share it, unless each has its own (``budget.rounds=each``).

    Attributes:
        rounds: Prunings, each followed by training from ``rewind_to`` to the end; 1 is one-shot.
        share: Share of the remaining weights that each round prunes instead (0.2 in the papers), in as many rounds
            as the sparsity takes, of which the last prunes what is left to prune; 0 for ``rounds`` equal shares.
        rewind_to: Schedule position to return to. Renda et al.: epoch 12 of 182 for weights, 0 for LR rewinding.
        rewind_weights: Whether weights return too.
    """

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

    def initial_density(self, target: float) -> float:
        """Start dense."""
        return 1.0

    def density(self, moment: Moment, target: float) -> float | None:
        """Global density after the pruning that ends a round."""
        return self._density(moment.round, target)

    def event(self, moment: Moment) -> Event | None:
        """Prune when a round is over."""
        return Event() if moment.round else None

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the largest weights of all layers together, as they are at the end of training."""
        masks.prune_globally(kept(self._density(moment.round, target), masks.maskable))

    def rewinding(self, target: float) -> Rewinding:
        """Rounds and where they return to."""
        return Rewinding(self._rounds(target), self.rewind_to, self.rewind_weights)

    def _rounds(self, target: float) -> int:
        if not self.share:
            return self.rounds
        # A target that whole rounds reach but for its written digits takes no further one.
        rounds = max(math.ceil(math.log(target) / math.log1p(-self.share) - _WRITTEN), 1)
        if rounds > _MOST:
            raise ValueError(f"method.share: {self.share} would take {rounds:,} rounds to this sparsity, over {_MOST}")
        return rounds

    def _density(self, done: int, target: float) -> float:
        """Global density after so many rounds."""
        if not self.share:
            return target ** (done / self.rounds)
        return target if done == self._rounds(target) else (1 - self.share) ** done
