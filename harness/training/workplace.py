"""The folder that a run is trained in, by one process at a time."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.machine import locks
from harness.training import sealed
from harness.training.checkpoint import BAD, BEFORE
from harness.training.trainer import Emit

PATIENCE_SECONDS = 90.0
"""For a process whose harness was killed: it is given a minute to write its checkpoint."""
POLL_SECONDS = 0.2


class OccupiedError(Exception):
    """Another process trains in a folder."""


@contextmanager
def hold(folder: Path, stopped: Callable[[], bool], emit: Emit) -> Iterator[None]:
    """Keep every other process from training in a folder, also after the harness of this one was killed.

    Args:
        folder: Of the run.
        stopped: Whether to stop waiting.
        emit: Takes a line if another process is there.

    Raises:
        OccupiedError: Another process is there, and it stays, or this one was told to stop.
    """
    path = folder / "training.lock"
    deadline, said = time.monotonic() + PATIENCE_SECONDS, False
    try:
        while (handle := locks.acquire(path)) is None:
            if stopped() or time.monotonic() > deadline:
                raise OccupiedError(f"another process is still training in {folder}")
            if not said:
                emit({"event": "log", "text": "waiting for the end of a process that was left from an earlier try"})
                said = True
            time.sleep(POLL_SECONDS)
    except (locks.NoLocksError, OSError):  # where nothing can be locked or written, the owner alone guards the run
        handle = None
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def write(what: Callable[[], None], folder: Path) -> None:
    """Write what a run leaves; where there is no room, in the place of a checkpoint that it can do without.

    Raises:
        OSError: It cannot be written.
    """
    try:
        what()
    except OSError:
        for name in (BEFORE, BAD):
            sealed.remove(folder / name)
        what()
