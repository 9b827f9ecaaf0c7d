"""A run's budget in its own units, fixed before the first step."""

import math
from dataclasses import dataclass

from harness.clock import Clock
from harness.config import BudgetConfig
from harness.errors import UsageError
from harness.flops import Costs, budget_samples


@dataclass(frozen=True)
class Budget:
    """What a run may spend, and the dense run it is compared with.

    Attributes:
        kind: One of `harness.clock.KINDS`.
        amount: In iterations, FLOPs or seconds (see `harness.clock.Clock`).
        reference_flops: Training FLOPs of the dense run of the same task and number of epochs, before stretching; for
            FLOPs and seconds, at the recipe's number of epochs.
    """

    kind: str
    amount: float
    reference_flops: int

    def clock(self) -> Clock:
        """Return a clock that stands at the start."""
        return Clock(self.kind, self.amount)


def size(
    budget: BudgetConfig, *, epochs: float, train_samples: int, batch_size: int, costs: Costs, shortest: float = 1.0
) -> Budget:
    """Work out a budget.

    Args:
        budget: Kind, amount and stretch.
        epochs: The recipe's number of epochs.
        train_samples: Images in the training split.
        batch_size: Images an iteration.
        costs: Dense costs of the model.
        shortest: Smallest share of it that has to hold an iteration: what follows the last pruning.

    Raises:
        UsageError: It is too small for the run.
    """
    per_epoch = math.ceil(train_samples / batch_size)
    steps = {"epochs": budget.amount * per_epoch, "steps": budget.amount}.get(budget.kind, epochs * per_epoch)
    dense = costs.training([layer.weights for layer in costs.layers])
    reference = dense * budget_samples(round(steps), train_samples, batch_size)
    if budget.kind in ("epochs", "steps"):
        amount: float = round(steps * budget.stretch)
        iteration = 1
    elif budget.kind == "flops":
        amount = budget.amount * budget.stretch * reference
        iteration = dense * min(batch_size, train_samples)
    else:
        amount, iteration = budget.amount * budget.stretch, 0  # how long one takes only the machine knows
    if amount * shortest < iteration * (1 - 1e-9):
        part = "it" if shortest == 1 else f"the {shortest:.1%} of it that follows the last pruning"
        raise UsageError(f"budget {budget.kind}:{budget.amount:g} is too small: {part} is less than one training step")
    return Budget(budget.kind, amount, reference)
