"""How often a GPU was slowed down during a run, so that its time is not taken for the method's."""

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
"""Reasons that are of the machine and the moment: too hot, or short of power from outside."""

CAPPED = pynvml.nvmlClocksEventReasonSwPowerCap
"""The board's own power limit. It is counted apart and does not make a run throttled: under full load it is where a
GPU settles, the same each time, and a heavier net meets it more often."""


class ClockWatch:
    """Asks a GPU about every second, in a thread, why its clocks are not at their highest.

    Idle clocks, clocks that somebody set, and those of sync boost are counted as nothing: they are no slow-down, or
    hold for every run of the machine.

    Attributes:
        samples: Answers so far.
        slowed: Those with a reason in `SLOWED`.
        capped: Those with the reason `CAPPED`.
    """

    def __init__(self, ask: Callable[[], int | None], every: float = EVERY_SECONDS) -> None:
        """Prepare; nothing is asked yet.

        Args:
            ask: Returns NVML's reasons, one bit each; None where it does not tell. It is called in the thread, so it
                must make no CUDA call: that could spoil a graph which is being recorded.
            every: Seconds between two samples.
        """
        self.samples = self.slowed = self.capped = 0
        self._ask, self._every = ask, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="clock watch", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask a last time, the only one of a short run, and end the thread."""
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
        """Return the counts, for the checkpoint of a run whose time goes on counting."""
        return {"samples": self.samples, "slowed": self.slowed, "capped": self.capped}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from what `state_dict` gave."""
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
