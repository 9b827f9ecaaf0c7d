"""Wall-clock time of a run, by what it was spent on."""

import time


class Stopwatch:
    """Seconds booked lap by lap.

    Attributes:
        seconds: Of training, of evaluation and of topology events.
    """

    def __init__(self) -> None:
        """Begin the first lap."""
        self.seconds = {"train": 0.0, "eval": 0.0, "topology": 0.0}
        self._begun = time.perf_counter()

    def restart(self) -> None:
        """Begin a lap; what passed since the last one counts for nothing."""
        self._begun = time.perf_counter()

    def book(self, what: str) -> float:
        """End a lap, book it under ``what`` and begin another; return its seconds."""
        now = time.perf_counter()
        lap = now - self._begun
        self.seconds[what] += lap
        self._begun = now
        return lap
