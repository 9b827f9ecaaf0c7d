"""Recognises when memory has run out."""

from pathlib import Path

from harness.errors import message

_SAID = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",  # of pinned memory, and of what the driver takes for itself, as for a graph
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
)
"""In the messages of plain errors that torch raises where memory ends."""


def oom_kills() -> int:
    """Return how many processes this machine's kernel has killed for it since boot; 0 where it does not say."""
    vmstat = Path("/proc/vmstat")
    lines = vmstat.read_text().splitlines() if vmstat.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception was raised because memory ended, on the CPU or on a GPU."""
    import torch  # not by those who only count

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = message(error)
    return any(part in said for part in _SAID)
