"""Recognises when memory has run out."""

from pathlib import Path

from harness.errors import message


def oom_kills() -> int:
    """Return how many processes this machine's kernel has killed for it since boot; 0 where it does not say."""
    vmstat = Path("/proc/vmstat")
    lines = vmstat.read_text().splitlines() if vmstat.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception was raised because memory ended, on the CPU or on a GPU."""
    import torch  # not by those who only count

    # Where a CPU's memory ends, torch raises a plain RuntimeError.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in message(error)
