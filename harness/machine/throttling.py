"""How often a GPU was throttled during a run, so that the delay is not blamed on the method."""

import threading
from collections.abc import Callable

import pynvml

EVERY_SECONDS = 1.0

SLOWED = (
    pynvml.nvmlClocksEventReasonHwSlowdown
    | pynvml.nvmlClocksEventReasonSwThermalSlowdown
    | pynvml.nvmlClocksEventReasonHwThermalSlowdown
    | pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown
)
"""Reasons that lie in the machine and the moment: too hot, or too little power from outside."""

CAPPED = pynvml.nvmlClocksEventReasonSwPowerCap
"""The board's own power limit. It is counted separately and does not make a run throttled: under full load a GPU
settles there, the same way each time, and a heavier net reaches it more often."""


class ClockWatch:
    """Samples about every second, in a thread, why a GPU's clocks are not at their highest.

    Idle clocks, clocks that somebody set, and those of sync boost do not count: they are not a slow-down, or apply to
    every run on the machine.

    Attributes:
        samples: Samples so far.
        slowed: Those with a reason in `SLOWED`.
        capped: Those with the reason `CAPPED`.
    """

    def __init__(self, ask: Callable[[], int | None], every: float = EVERY_SECONDS) -> None:
        """Prepare; nothing is sampled yet.

        Args:
            ask: Returns NVML's reasons, one bit each; None where it gives none. It is called in the thread, so it must
                make no CUDA call, which could spoil a graph that is being recorded.
            every: Seconds between two samples.
        """
        self.samples = self.slowed = self.capped = 0
        self._ask, self._every = ask, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="clock watch", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """Take a last sample, the only one of a short run, and end the thread."""
        self._over.set()
        self._thread.join()

    @property
    def throttled(self) -> float | None:
        """Share of the samples in which the GPU was slowed down; None if there are none."""
        return self.slowed / self.samples if self.samples else None

    @property
    def power_capped(self) -> float | None:
        """Share of the samples in which it was at its power limit; None if there are none."""
        return self.capped / self.samples if self.samples else None

    def state_dict(self) -> dict[str, int]:
        """Return the counts, for a checkpoint."""
        return {"samples": self.samples, "slowed": self.slowed, "capped": self.capped}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume from what `state_dict` returned."""
        self.samples, self.slowed, self.capped = state["samples"], state["slowed"], state["capped"]

    def _watch(self) -> None:
        over = False
        while not over:
            over = self._over.wait(self._every)
            reasons = self._ask()
            if reasons is not None:
                self.samples += 1
                self.slowed += bool(reasons & SLOWED)
                self.capped += bool(reasons & CAPPED)
