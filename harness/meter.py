"""Peak memory and energy of a run."""

import resource
from types import TracebackType
from typing import Self

import torch


class Meter:
    """Measures from entry to exit.

    Attributes:
        peak_memory_bytes: Most device memory allocated at once; on a CPU, the process's largest resident size.
        energy_joules: The GPU's, by NVML; None on a CPU or where the driver does not count it.
    """

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._before: float | None = None
        self.peak_memory_bytes = 0
        self.energy_joules: float | None = None

    def __enter__(self) -> Self:
        """Start."""
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
            self._before = _joules()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read."""
        if not self._cuda:
            self.peak_memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            return
        self.peak_memory_bytes = torch.cuda.max_memory_allocated()
        after = _joules()
        if after is not None and self._before is not None:
            self.energy_joules = after - self._before


def _joules() -> float | None:
    """Energy that the current GPU has used since its driver was loaded."""
    import pynvml

    try:
        pynvml.nvmlInit()
        # By UUID: NVML's order of devices is not CUDA's, and CUDA_VISIBLE_DEVICES hides some.
        uuid = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())) / 1000
    except pynvml.NVMLError:
        return None
