"""Peak memory, energy and clocks of a run."""

import resource
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import pynvml
import torch

from harness.machine.throttling import ClockWatch

WHOLE = 0.8
"""Share of the time from which on a thread that computes is taken to have had a core to itself."""


class Meter:
    """Measures from entry to exit, of the thread that enters.

    Attributes:
        cpu_share: Processor time of the thread by the time that passed; on a CPU, at most 1. What waits for a GPU or
            for files has less without having been disturbed.
        peak_memory_bytes: Most device memory allocated at once; on a CPU, the process's largest resident size.
        energy_joules: The GPU's, by NVML; None on a CPU or where the driver does not count it.
        clocks: How often the GPU was throttled; has no samples on a CPU or where the driver gives none.
    """

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._handle = _handle() if self._cuda else None
        self._before: float | None = None
        self._clocks = (0.0, 0.0)
        self.cpu_share: float | None = None
        self.peak_memory_bytes = 0
        self.energy_joules: float | None = None
        self.clocks = ClockWatch(self._slow_downs)

    def __enter__(self) -> Self:
        """Start."""
        self._clocks = _clocks()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
            self._before = self._joules()
            self.clocks.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read."""
        used, passed = (now - before for now, before in zip(_clocks(), self._clocks, strict=True))
        self.cpu_share = min(used / passed, 1.0) if passed > 0 else None
        if not self._cuda:
            self.peak_memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            return
        self.clocks.stop()
        self.peak_memory_bytes = torch.cuda.max_memory_allocated()
        after = self._joules()
        if after is not None and self._before is not None:
            self.energy_joules = after - self._before

    def _joules(self) -> float | None:
        """Energy that the GPU has used since its driver was loaded; None where the driver does not count it."""
        if self._handle is not None:
            with suppress(pynvml.NVMLError):
                return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        return None

    def _slow_downs(self) -> int | None:
        """Reasons why the GPU's clocks are not at their highest right now, one bit each."""
        if self._handle is not None:
            with suppress(pynvml.NVMLError):
                return int(pynvml.nvmlDeviceGetCurrentClocksEventReasons(self._handle))
        return None


def _clocks() -> tuple[float, float]:
    return time.thread_time(), time.perf_counter()


def _handle() -> Any:
    """Return NVML's handle of the current GPU; None where NVML does not know it."""
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        # By UUID: NVML's order of devices is not CUDA's, and CUDA_VISIBLE_DEVICES hides some.
        uuid = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
        return pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())
    return None
