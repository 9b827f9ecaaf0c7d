"""The budget clock: turns what a run has spent into its progress, and stops it when the budget is spent."""

from dataclasses import dataclass

from harness.budget.kinds import Kind, Usage

_NOTHING = Usage()


@dataclass
class Clock:
    """How much of a budget is spent.

    Attributes:
        kind: What is counted.
        amount: The whole budget, in the kind's unit.
        schedule: What goes once through the training schedule, in the same unit: all of it, except where the
            trainings of a rewinding method share it.
        spent: What is spent of it; exact where it is counted.
    """

    kind: Kind
    amount: float
    schedule: float
    spent: float = 0

    @property
    def done(self) -> bool:
        """Whether the budget is spent."""
        return self.spent >= self.amount

    @property
    def total_steps(self) -> int | None:
        """Iterations of the run, None where the budget does not fix them."""
        return int(self.amount) if self.kind.fixes_steps else None

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, 0...1."""
        return min(self.spent / self.amount, 1.0)

    @property
    def left(self) -> float:
        """What is left of the budget, in the kind's unit; negative where the last iteration took more than that."""
        return self.amount - self.spent

    def after(self, usage: Usage) -> float:
        """Progress once the coming iterations are done.

        Exact except under a budget of seconds, where their time is not known yet and the present progress is returned.
        """
        return min((self.spent + self.kind.spends(usage)) / self.amount, 1.0)

    def schedules(self, usage: Usage = _NOTHING) -> float:
        """How many times the schedule's length is spent once the coming iterations are done; see `after`."""
        return (self.spent + self.kind.spends(usage)) / self.schedule

    def charge(self, usage: Usage) -> None:
        """Book what training took up."""
        self.spent += self.kind.spends(usage)
