"""NVIDIA GPUs by UUID, and one lock per GPU: two runs on one would spoil each other's wall-clock."""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pynvml

from harness.errors import UsageError

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine.

    Attributes:
        uuid: ``GPU-...``, the same whatever order the driver lists them in.
        name: Its product name.
        driver: Version of the NVIDIA driver.
    """

    uuid: str
    name: str
    driver: str


def installed() -> list[Gpu]:
    """Return this machine's GPUs; none where there is no NVIDIA driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [Gpu(str(pynvml.nvmlDeviceGetUUID(h)), str(pynvml.nvmlDeviceGetName(h)), driver) for h in handles]
    finally:
        pynvml.nvmlShutdown()


def candidates(uuid: str | None, gpus: list[Gpu]) -> list[Gpu]:
    """Return the GPUs that a run may have: the one asked for, or any.

    Raises:
        UsageError: There is none, or not that one.
    """
    if not gpus:
        raise UsageError("device=cuda was asked for and there is no NVIDIA GPU or driver here: device=cpu uses the CPU")
    chosen = [gpu for gpu in gpus if uuid in (None, gpu.uuid)]
    if not chosen:
        raise UsageError(f"runner.gpu {uuid!r} is not here: allowed are {', '.join(gpu.uuid for gpu in gpus)}")
    return chosen


@contextmanager
def reserve(gpus: list[Gpu], waiting: Callable[[], None], folder: Path | None = None) -> Iterator[Gpu]:
    """Hold the first of these GPUs that no other run holds; wait while all are held.

    The lock belongs to the open file, so the kernel releases it when the process ends, however it ends.

    Args:
        gpus: At least one.
        waiting: Called about every second of a wait; what it raises ends the wait.
        folder: Where the lock files lie; one that all users of the machine share.
    """
    folder = folder or Path(tempfile.gettempdir())
    while True:
        for gpu in gpus:
            handle = _open(folder / f"sparsebench-{gpu.uuid}.lock")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            try:
                yield gpu
            finally:
                os.close(handle)
            return
        waiting()
        time.sleep(POLL_SECONDS)


def _open(path: Path) -> int:
    """Open a lock file, making it if needed, and never through a link that somebody put there."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Without O_CREAT first: in a shared folder the kernel refuses it on another user's file.
        return os.open(path, flags)
    except FileNotFoundError:
        handle = os.open(path, flags | os.O_CREAT, 0o666)
        # The umask may have taken the right to lock from other users.
        os.fchmod(handle, 0o666)
        return handle
