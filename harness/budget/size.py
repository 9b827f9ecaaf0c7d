"""A run's budget in its own units, fixed before the first step."""

import math
from dataclasses import dataclass

from harness.budget.clock import Clock, Schedule
from harness.budget.costs import Costs, budget_samples
from harness.config.compose import BudgetConfig
from harness.errors import UsageError


@dataclass(frozen=True)
class Budget:
    """What a run may spend, and the dense run it is compared with.

    Attributes:
        kind: One of `harness.records.schema.BUDGET_KINDS`.
        amount: In iterations, FLOPs or seconds, and
        schedule: what of it goes once through the training schedule (see `harness.budget.clock.Clock`).
        reference_flops: Training FLOPs of the dense run of the same task and number of epochs, before stretching; for
            FLOPs and seconds, at the recipe's number of epochs.
    """

    kind: str
    amount: float
    schedule: float
    reference_flops: int

    def clock(self) -> Clock:
        """Return a clock that stands at the start."""
        return Clock(self.kind, self.amount, self.schedule)


def size(
    budget: BudgetConfig,
    schedule: Schedule,
    *,
    epochs: float,
    train_samples: int,
    batch_size: int,
    costs: Costs,
    shortest: float = 1.0,
) -> Budget:
    """Work out a budget.

    Args:
        budget: Kind, amount, stretch, and whether rounds share it.
        schedule: How often the run goes through its schedule.
        epochs: The recipe's number of epochs.
        train_samples: Images in the training split.
        batch_size: Images an iteration.
        costs: Dense costs of the model.
        shortest: Smallest share of a schedule that has to hold an iteration: what follows the last pruning.

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
    each = budget.rounds == "each"
    once = amount if each else amount / schedule.length
    if once * shortest < iteration * (1 - 1e-9):
        share = shortest if each else shortest / schedule.length
        part = "it" if share == 1 else f"the {share:.1%} of it that follows the last pruning"
        raise UsageError(f"budget {budget.kind}:{budget.amount:g} is too small: {part} is less than one training step")
    if each:
        amount *= schedule.length
        # Whole iterations: the one that would begin another round is the last one.
        amount = math.ceil(amount * (1 - 1e-12)) if budget.kind in ("epochs", "steps") else amount
    return Budget(budget.kind, amount, once, reference)
