"""The budget clock: turns what a run has spent into its progress, and stops it when the budget is spent."""

from dataclasses import dataclass

from methods import Rewinding

_NOISE = 1e-9  # of a division of integers, far below one step in any run


@dataclass
class Clock:
    """How much of a budget is spent.

    The amount is held in the unit in which it is spent: iterations for ``epochs`` and ``steps``, FLOPs for ``flops``,
    seconds of training and topology for ``seconds``.

    Attributes:
        kind: One of `harness.records.schema.BUDGET_KINDS`.
        amount: The whole budget, in its unit.
        schedule: What goes once through the training schedule, in the same unit: all of it, but where trainings of a
            rewinding method share it.
        spent: What is spent of it; exact where the unit is counted.
    """

    kind: str
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
        return int(self.amount) if self.kind in ("epochs", "steps") else None

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, 0...1."""
        return min(self.spent / self.amount, 1.0)

    def after(self, flops: int, steps: int = 1) -> float:
        """Progress once the coming iterations are done, which cost ``flops`` in all.

        Exact but for ``seconds``, where their time is not known yet and the present progress is returned.
        """
        return min((self.spent + self._spends(flops, steps)) / self.amount, 1.0)

    def schedules(self, flops: int = 0, steps: int = 0) -> float:
        """How many times the schedule's length is spent once coming iterations are done; see `after`."""
        return (self.spent + self._spends(flops, steps)) / self.schedule

    def charge(self, flops: int, steps: int = 1) -> None:
        """Book iterations that cost ``flops`` in all."""
        self.spent += self._spends(flops, steps)

    def elapse(self, seconds: float) -> None:
        """Let time pass in training or in a topology event."""
        if self.kind == "seconds":
            self.spent += seconds

    def _spends(self, flops: int, steps: int = 1) -> float:
        if self.kind == "flops":
            return flops
        return 0.0 if self.kind == "seconds" else steps


@dataclass(frozen=True)
class Schedule:
    """Where a run stands on its training schedule.

    With rewinding the first training goes through all of it, and each round begins again at ``position``.
    """

    rewinding: Rewinding | None = None

    @property
    def length(self) -> float:
        """How many times the schedule's length the whole run takes."""
        again = self.rewinding
        return 1.0 if again is None else 1 + again.rounds * (1 - again.position)

    @property
    def shortest(self) -> float:
        """Share of the schedule that the shortest of its passes takes: that of a rewinding round."""
        return 1.0 if self.rewinding is None else 1 - self.rewinding.position

    def locate(self, schedules: float) -> tuple[int, float]:
        """Return the round (0 is the first training) and the schedule position after so many schedule lengths."""
        if self.rewinding is None:
            return 0, min(schedules, 1.0)
        if schedules < 1 - _NOISE:
            return 0, schedules
        again = 1 - self.rewinding.position
        done, into = divmod(schedules - 1 + _NOISE, again)
        round_ = min(int(done) + 1, self.rewinding.rounds)
        if int(done) + 1 > self.rewinding.rounds:
            return round_, 1.0
        return round_, min(self.rewinding.position + max(into - _NOISE, 0.0), 1.0)
