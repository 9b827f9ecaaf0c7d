"""The FLOP ledger of a run: what it has spent, charged at the densities of each iteration."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.budget.costs import Costs
from harness.budget.kinds import Usage


@dataclass
class Ledger:
    """What a run has spent, iteration by iteration.

    Attributes:
        costs: Dense costs of the model.
        steps: Iterations charged.
        samples: Training samples in them, and in what was computed before them.
        flops: Training FLOPs spent; exact.
    """

    costs: Costs
    steps: int = 0
    samples: int = 0
    flops: int = 0

    def price(
        self,
        active: Sequence[int],
        samples: int,
        *,
        gradient: Sequence[int] | None = None,
        dense_gradient: bool = False,
    ) -> int:
        """Return the FLOPs of iterations over so many ``samples``; see `harness.budget.costs.Costs.training`."""
        return samples * self.costs.training(active, gradient=gradient, dense_gradient=dense_gradient)

    def charge(self, usage: Usage) -> None:
        """Book iterations."""
        self.steps += usage.steps
        self.samples += usage.samples
        self.flops += usage.flops
