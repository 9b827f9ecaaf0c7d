"""One owner per run: of all processes that want to train a run into one output folder, one does so at a time.

The owner holds a lock on ``OUTPUT/runs/KEY.lock``, which also says who it is, for the others to tell their users. The
kernel releases it when its process ends, also by SIGKILL.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.machine import locks

POLL_SECONDS = 0.5


class TakenError(Exception):
    """Another process has the run; the message says which."""


@contextmanager
def own(folder: Path, tell: Callable[[dict[str, Any]], None], *, wait: bool = True) -> Iterator[None]:
    """Own a run.

    Args:
        folder: Its working folder, ``OUTPUT/runs/KEY``; it need not exist.
        tell: Takes a line if the run has another owner, and is then called several times a second; what it raises ends
            the wait.
        wait: Whether to wait for its other owner.

    Raises:
        TakenError: It has another owner and ``wait`` is false.
        UsageError: Nothing can be locked or written there.
    """
    path = folder.with_name(f"{folder.name}.lock")
    said = False
    while (handle := _acquire(path, tell)) is None:
        line = f"{folder.name} is being trained by {_owner(path)}"
        if not wait:
            raise TakenError(line)
        tell({"event": "waiting"} if said else {"event": "log", "text": f"{line}: waiting for it"})
        said = True
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if handle >= 0:
            locks.release(handle, path)


def _acquire(path: Path, tell: Callable[[dict[str, Any]], None]) -> int | None:
    """Return what holds the lock, negative where there are none; None if another process holds it."""
    try:
        handle = locks.acquire(path)
    except locks.NoLocksError as error:
        tell({"event": "log", "text": f"{error}: make sure that nobody else trains into it"})
        return -1
    except OSError as error:
        raise UsageError(f"output {path.parent}: cannot be written to ({error.strerror})") from None
    if handle is not None:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        about = {"host": platform.node(), "pid": os.getpid(), "since": now}
        with suppress(OSError):  # on a full disk it remains unsaid
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(about).encode())
    return handle


def _owner(path: Path) -> str:
    try:
        about = json.loads(path.read_bytes()[:1000])
        return f"process {int(about['pid'])} on {str(about['host'])[:100]!r} since {str(about['since'])[:30]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
