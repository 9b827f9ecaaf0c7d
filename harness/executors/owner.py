"""One owner per run: of all processes on all machines that want to train a run into one folder, one does so at a time.

The owner holds the lease ``OUTPUT/runs/KEY.lease`` (`harness.machine.leases`), which says who it is and how far.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.executors.causes import unwritable
from harness.machine.holder import Holder
from harness.machine.leases import Lease, acquire

SUFFIX = ".lease"
POLL_SECONDS = 0.5

Tell = Callable[[dict[str, Any]], None]


class TakenError(Exception):
    """Another process has the run; the message says which."""


@contextmanager
def own(folder: Path, tell: Tell, *, wait: bool = True) -> Iterator[Lease]:
    """Own a run.

    Args:
        folder: Its working folder, ``OUTPUT/runs/KEY``; it need not exist, the folder above it must.
        tell: Takes a line if the run has another owner, and is then called several times a second; what it raises ends
            the wait.
        wait: Whether to wait for its other owner.

    Yields:
        The lease.

    Raises:
        TakenError: It has another owner and ``wait`` is false.
        UsageError: Nothing can be written there.
    """
    path = folder.with_name(folder.name + SUFFIX)
    said = False
    while isinstance(held := _acquire(path), Holder):
        line = f"{folder.name} is being trained by {held}"
        if not wait:
            raise TakenError(line)
        tell({"event": "waiting"} if said else {"event": "log", "text": f"{line}: waiting for it"})
        said = True
        time.sleep(POLL_SECONDS)
    try:
        yield held
    finally:
        held.release()


def watched(lease: Lease, tell: Tell) -> Tell:
    """Return what passes a run's events on, has its lease say how far it is, and stops it when the lease is lost.

    Args:
        lease: Of the run.
        tell: Takes its events. What it and the lease (`harness.machine.leases.LostError`) raise stops the run.
    """

    def pass_on(message: dict[str, Any]) -> None:
        lease.check()
        if message["event"] == "progress":
            lease.note(int(message["step"]), message["progress"])
        tell(message)

    return pass_on


def _acquire(path: Path) -> Lease | Holder:
    try:
        return acquire(path)
    except OSError as error:
        raise unwritable(f"output {path.parent}: cannot be written to", error) from None
