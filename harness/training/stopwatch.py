"""Wall-clock time of a run, by what it was spent on.

On a CPU a lap ends when the host books it. A GPU works through a queue that the host fills ahead of it: by the host's
clock the time of queued steps would be booked wherever the host next waits, such as in a topology event that reads a
count. There a lap ends when the GPU reaches a CUDA event that was put into the queue. Events are read later, when they
have been reached anyway, so that no step waits for the device.

A budget of seconds needs to know them in time. Under one, the host waits for what is queued where this might use the
budget up, judging by the last lap of each kind. So a run overshoots by less than an iteration, as on a CPU. If
iterations suddenly take more than `MARGIN` times as long as the last, it overshoots by at most `AHEAD` more.
"""

import math
import time
from collections import deque
from collections.abc import Callable

import torch

from harness.budget.course import Course

AHEAD = 16
"""Laps that may be queued under a budget of seconds."""

MARGIN = 2.0
"""A queued lap is expected to take at most this many times as long as the last one of its kind.

What is expected falls at most by this factor from lap to lap.
"""

Spend = Callable[[float], None]
"""Takes seconds of training or of a topology event off a budget, if it is one of seconds."""


class Stopwatch:
    """Seconds booked lap by lap, by the clock of the host.

    Attributes:
        seconds: Of training, of evaluation and of topology events, as far as they are known.
    """

    def __init__(self, spend: Spend) -> None:
        """Begin the first lap.

        Args:
            spend: Called with what is booked; evaluation spends nothing.
        """
        self.seconds = {"train": 0.0, "eval": 0.0, "topology": 0.0}
        self._spend = spend
        self._begun = time.perf_counter()

    def restart(self) -> None:
        """Begin a lap; what passed since the last one counts for nothing."""
        self._begun = time.perf_counter()

    def book(self, what: str) -> None:
        """End a lap, book it under ``what`` and begin another."""
        now = time.perf_counter()
        self._add(what, now - self._begun)
        self._begun = now

    def settle(self) -> None:
        """Wait until every lap that was booked is known."""

    def load_state_dict(self, seconds: dict[str, float]) -> None:
        """Resume from the `seconds` of another stopwatch."""
        self.seconds = seconds

    def _add(self, what: str, lap: float) -> None:
        self.seconds[what] += lap
        if what != "eval":
            self._spend(lap)


class DeviceStopwatch(Stopwatch):
    """Seconds booked lap by lap, by the clock of a GPU; `restart` begins the first lap."""

    def __init__(
        self, event: Callable[[], torch.cuda.Event], spend: Spend, left: Callable[[], float] | None = None
    ) -> None:
        """Wait for the first lap.

        Args:
            event: Makes an event with timing.
            spend: See `Stopwatch`.
            left: Returns the seconds left of the budget; None if it is not one of seconds, and nothing has to wait.
        """
        super().__init__(spend)
        self._event, self._left = event, left
        self._queued: deque[tuple[str | None, torch.cuda.Event]] = deque()
        self._reached: torch.cuda.Event | None = None  # the end of the last lap that is known
        self._last: dict[str, float] = {}

    def restart(self) -> None:
        """See `Stopwatch.restart`."""
        self._put(None)

    def book(self, what: str) -> None:
        """See `Stopwatch.book`."""
        self._put(what)
        # Of an evaluation the host has just read the result, so there is nothing to wait for.
        self._read(everything=what == "eval")

    def settle(self) -> None:
        """See `Stopwatch.settle`."""
        self._read(everything=True)

    def load_state_dict(self, seconds: dict[str, float]) -> None:
        """See `Stopwatch.load_state_dict`; laps that are still queued are of the run as it was before."""
        super().load_state_dict(seconds)
        self._queued.clear()

    def _put(self, what: str | None) -> None:
        event = self._event()
        event.record()
        self._queued.append((what, event))

    def _read(self, *, everything: bool) -> None:
        """Book the laps that the device has ended, and wait for others where that is necessary."""
        while self._queued:
            what, end = self._queued[0]
            if not end.query():
                if not everything and not self._must_wait():
                    return
                end.synchronize()
            self._queued.popleft()
            if what is not None:
                assert self._reached is not None
                lap = self._reached.elapsed_time(end) / 1000  # it returns milliseconds
                # What is left of a lap before an evaluation must not hide how long whole ones take.
                self._last[what] = max(lap, self._last.get(what, 0.0) / MARGIN)
                self._add(what, lap)
            self._reached = end

    def _must_wait(self) -> bool:
        """Return whether what is queued may use the budget up, or is too much."""
        if self._left is None:
            return False
        spending = [what for what, _ in self._queued if what and what != "eval"]
        expected = MARGIN * sum(self._last.get(what, math.inf) for what in spending)
        return len(self._queued) > AHEAD or expected >= self._left()


def of(device: torch.device, course: Course, spend: Spend | None = None) -> Stopwatch:
    """Return a stopwatch for what a device does along the course of a run.

    Args:
        device: Of the run.
        course: Its budget may be one of seconds.
        spend: Takes what is booked in the place of the course.
    """
    spend = spend or course.elapse
    if device.type != "cuda":
        return Stopwatch(spend)
    left = (lambda: course.clock.left) if course.clock.kind.timed else None
    # Blocking: a host that waits leaves its core to loaders and to other runs.
    return DeviceStopwatch(lambda: torch.cuda.Event(enable_timing=True, blocking=True), spend, left)
