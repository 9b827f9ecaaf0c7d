"""Processes, told apart across machines, reboots and reused process IDs."""

import os
from functools import cache
from pathlib import Path


@cache
def boot() -> str:
    """Return an ID that this machine has until it is next booted; empty where the system has none."""
    return read("/proc/sys/kernel/random/boot_id")


@cache
def namespace() -> str:
    """Return the name of this process's namespace of process IDs; empty where the system has none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def space() -> str:
    """Return an ID of this boot and its process namespace, within which process IDs have a meaning; empty if unknown.

    No two machines share it, even if they were cloned and have one name.
    """
    return f"{boot()} {namespace()}" if boot() and namespace() else ""


def started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty if there is none or it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The second field, the program's name, may hold spaces and parentheses; the 22nd is the start time.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def is_foreign(pid: int) -> bool:
    """Return whether a process of another user has this ID; its start may be hidden."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        pass
    return False


def read(path: str) -> str:
    """Return a small file's text without the space around it; empty if it cannot be read."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
