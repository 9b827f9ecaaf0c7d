"""The kernel's count of processes killed for lack of memory."""

from pathlib import Path


def oom_kills() -> int:
    """Return how many processes this machine's kernel has killed for it since boot; 0 where it does not say."""
    vmstat = Path("/proc/vmstat")
    lines = vmstat.read_text().splitlines() if vmstat.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
