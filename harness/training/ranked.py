"""The trainer of a run of several processes: each goes through the same loop, and they meet after every step."""

from collections.abc import Callable
from typing import Any

from harness.config import RunConfig
from harness.tasks.data import Data
from harness.tasks.score import tallied
from harness.training import stopwatch
from harness.training.prepare import Prepared
from harness.training.ranks import Ranks
from harness.training.stopwatch import Stopwatch
from harness.training.trainer import Call, Emit, Trainer


class RankedTrainer(Trainer):
    """Trains in one of the processes of a run; see `Trainer`.

    The loop follows what all processes know alike: progress, the averaged loss, and what they agree on when they meet.
    """

    def __init__(self, run: RunConfig, task: Prepared, splits: Data, ranks: Ranks) -> None:
        """See `Trainer.__init__`."""
        self._ranks = ranks
        splits.train.share = splits.val.share = ranks.share
        super().__init__(run, task, splits, ranks)
        self._meetings = Meetings(ranks, self.course.elapse)
        self.watch = _Watch(stopwatch.of(self._device, self.course, self._meetings.spend), self._meetings)

    def train(self, emit: Emit, checkpoint: Call, stop: Callable[[], bool], before_last: Call | None = None) -> bool:
        """See `Trainer.train`; only the leader emits and saves."""
        self._meetings.stop = stop
        if not self._ranks.leads:
            emit, checkpoint, before_last = (lambda event: None), (lambda: None), None
        return super().train(emit, checkpoint, lambda: self._meetings.stopped, before_last)

    def _validated(self) -> float | None:
        """Return the metric, of which each process adds up its part of the samples; None without any."""
        self._ranks.require_equal(self.masks, self.course.ledger.steps, weights=True)
        self._ranks.take_buffers(self.model)
        val = self._splits.val
        if not val.samples:
            return None
        sums = tallied(self.model, val, self._task)
        if not sums:  # of fewer samples than processes, one has none: it adds nothing, under the same names
            with val.whole():
                sums = dict.fromkeys(tallied(self.model, val, self._task), 0.0)
        totals = self._ranks.totals(*sums.values())
        return self._task.score(dict(zip(sums, totals, strict=True)), val.samples).value

    def _progress(self, *, evaluated: bool) -> dict[str, Any]:
        """Return a progress event; only the leader's is seen, and only the leader may find a loss that diverges in it.

        By its own clock another process would find it at another step.
        """
        return super()._progress(evaluated=evaluated) if self._ranks.leads else {}


class Meetings:
    """What the processes settle after each step: the time that the budget has lost, by the leader's clock, and the end.

    Attributes:
        stop: Whether this process was told to stop.
        stopped: Whether one was when they last met, so that all stop.
    """

    def __init__(self, ranks: Ranks, elapse: Callable[[float], None]) -> None:
        self.stop: Callable[[], bool] = lambda: False
        self.stopped = False
        self._ranks, self._elapse = ranks, elapse
        self._seconds = 0.0

    def spend(self, seconds: float) -> None:
        """Take note of time that this process has spent."""
        self._seconds += seconds

    def meet(self) -> None:
        """Take the leader's time off the budget, in all processes alike."""
        told, seconds = self._ranks.totals(float(self.stop()), self._seconds if self._ranks.leads else 0.0)
        self._seconds = 0.0
        self.stopped = self.stopped or told > 0
        self._elapse(seconds)


class _Watch(Stopwatch):
    """A stopwatch at whose laps of training and topology the processes meet."""

    def __init__(self, own: Stopwatch, meetings: Meetings) -> None:
        self._own, self._meetings = own, meetings
        self.seconds = own.seconds

    def restart(self) -> None:
        self._own.restart()

    def book(self, what: str) -> None:
        self._own.book(what)
        if what != "eval":
            self._meetings.meet()

    def settle(self) -> None:
        self._own.settle()

    def load_state_dict(self, seconds: dict[str, float]) -> None:
        self._own.load_state_dict(seconds)
        self.seconds = self._own.seconds
