"""A run's budget in the unit of its clock, computed before the first step."""

from dataclasses import dataclass

from harness.budget.clock import Clock
from harness.budget.costs import Costs
from harness.budget.epoch import budget_samples, steps_per_epoch
from harness.budget.kinds import Kind, Reference, Usage
from harness.budget.schedule import Schedule
from harness.errors import UsageError


@dataclass(frozen=True)
class Budget:
    """What a run may spend, and the dense run it is compared with.

    Attributes:
        kind: What is counted.
        amount: The whole budget, in the kind's unit.
        schedule: What of it goes once through the training schedule (see `harness.budget.clock.Clock`).
        reference_flops: Training FLOPs of the dense run of the same task and number of epochs, before stretching; the
            recipe's number of epochs where the kind fixes none.
    """

    kind: Kind
    amount: float
    schedule: float
    reference_flops: int

    def clock(self) -> Clock:
        """Return a clock that stands at the start."""
        return Clock(self.kind, self.amount, self.schedule)


def size(
    kind: Kind,
    amount: float,
    schedule: Schedule,
    *,
    epochs: float,
    train_samples: int,
    batch_size: int,
    costs: Costs,
    stretch: float = 1.0,
    rounds: str = "shared",
    shortest: float = 1.0,
) -> Budget:
    """Work out a budget.

    Args:
        kind: What is counted.
        amount: How much, as configured.
        schedule: How often the run goes through its schedule.
        epochs: The recipe's number of epochs.
        train_samples: Images in the training split.
        batch_size: Images of an iteration.
        costs: Dense costs of the model.
        stretch: How many times longer to train on the same schedule.
        rounds: ``shared`` if the trainings of a rewinding method share the budget, ``each`` if each has all of it.
        shortest: Smallest share of a schedule that has to hold an iteration: what follows the last pruning.

    Raises:
        UsageError: It is too small for the run.
    """
    per_epoch = steps_per_epoch(train_samples, batch_size)
    steps = kind.reference_steps(amount, per_epoch, epochs)
    dense = costs.training([layer.weights for layer in costs.layers])
    reference = Reference(steps, dense * budget_samples(round(steps), train_samples, batch_size))
    whole = kind.size(amount, stretch, reference)
    each = rounds == "each"
    once = whole if each else whole / schedule.length
    samples = min(batch_size, train_samples)
    # Of seconds it is 0: how many an iteration takes only the machine knows.
    iteration = kind.spends(Usage(1, samples, dense * samples))
    if once * shortest < iteration * (1 - 1e-9):
        share = shortest if each else shortest / schedule.length
        part = "it" if share == 1 else f"the {share:.1%} of it that follows the last pruning"
        raise UsageError(f"budget {kind.name}:{amount:g} is too small: {part} is less than one training step")
    # The iteration that would begin another round is the last one.
    return Budget(kind, kind.whole(whole * schedule.length) if each else whole, once, reference.flops)
