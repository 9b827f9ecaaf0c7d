"""Leases: files by which one process at a time, of any number on any number of machines, owns a name.

A kernel's locks do not reach every machine of a network file system, so ownership is a file which only one process can
make: it is written under another name and then linked, which local disks and network file systems do atomically. Its
owner renews it every `HEARTBEAT_SECONDS`, and stops what it does when it cannot for `GIVE_UP_SECONDS`. A lease that was
not renewed for `STALE_SECONDS` may be taken over. The file system's own clock stamps the file and tells the present
time, so the clocks of machines may differ. On the owner's own machine its process decides instead: one that has ended
owns nothing, one that runs owns what it holds.

Nobody removes or replaces the lease of another owner: a process that was slow to decide might hit a newer one. Whoever
takes over the lease with token T makes the file ``NAME-T``, which again only one can. The owner is whoever made the
last of this chain, which begins at ``NAME``. The owner alone removes ``NAME``, and with it the chain.
"""

import os
import secrets
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from harness.machine.holder import Holder, claim, text
from harness.machine.lease_files import after, chain, clock, make, uptime

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 120.0
GIVE_UP_SECONDS = 60.0
"""Less than `STALE_SECONDS` by what it takes to stop: before another may begin, this one has ended."""
_WAIT_SECONDS = 5.0
"""For a renewal that is overdue, before the lease counts as lost."""

_held: set[str] = set()
"""Tokens of the leases that this process holds; its others are of threads that failed."""
_sightings: dict[tuple[Path, str], tuple[float, float]] = {}
"""When the leases of others were last renewed, and since when, by this machine's clock, that has been known."""


class LostError(Exception):
    """A lease was taken over, or could not be renewed and may be taken over any moment."""


class Lease:
    """A lease, as its owner holds it; a thread renews it until it is released."""

    def __init__(self, name: Path, about: dict[str, Any], handle: int, files: list[Path]) -> None:
        """Begin to renew a lease that was just made.

        Args:
            name: The file that its chain begins at.
            about: What it says (`harness.machine.holder.claim`).
            handle: Its file, open.
            files: The files of its chain, from the first to this one.
        """
        self._name, self._about, self._handle, self._files = name, about, handle, files
        self._lock = threading.RLock()
        self._wake, self._beaten = threading.Event(), threading.Event()
        self._over = self._lost = False
        self._renewed = uptime()
        self._thread = threading.Thread(target=self._keep, name=f"lease {name.name}", daemon=True)
        self._thread.start()

    def note(self, step: int, progress: float) -> None:
        """Have the next renewal say how far the owner is."""
        self._about.update(step=step, progress=progress)

    def check(self) -> None:
        """See that the lease has been renewed of late; this costs next to nothing.

        Raises:
            LostError: It has not, or another process has taken it over.
        """
        if not self._lost and self._overdue():  # this process, or the machine, may have been suspended
            self._beaten.clear()
            self._wake.set()
            self._beaten.wait(_WAIT_SECONDS)
        if self._lost or self._overdue():
            raise LostError(f"{self._name.name} was taken over by another process, or could not be renewed")

    def confirm(self) -> None:
        """Renew the lease now.

        Raises:
            LostError: Another process has taken it over, or it could not be renewed of late.
        """
        self._renew()
        self.check()

    def release(self) -> None:
        """Give the lease back, unless another process has taken it over."""
        self._over = True
        self._wake.set()
        with self._lock, suppress(OSError):
            if not self._lost and self._owner() == self._about["token"]:
                for path in self._files:
                    path.unlink(missing_ok=True)
        _held.discard(self._about["token"])
        self._thread.join(_WAIT_SECONDS)
        with self._lock:
            os.close(self._handle)

    def _overdue(self) -> bool:
        return uptime() - self._renewed > GIVE_UP_SECONDS

    def _owner(self) -> str | None:
        found = chain(self._name)
        return found[-1].token if found else None

    def _keep(self) -> None:
        while True:
            self._wake.wait(HEARTBEAT_SECONDS)
            self._wake.clear()
            if self._over:
                return
            self._renew()
            self._beaten.set()

    def _renew(self) -> None:
        with self._lock, suppress(OSError):  # tried again; what lasts is seen by `check`
            if self._over or self._lost:
                return
            begun = uptime()  # while this looks, the machine may be suspended, and the lease be taken over
            owner = self._owner()
            if owner == self._about["token"]:
                with suppress(OSError):
                    os.pwrite(self._handle, text(self._about), 0)  # in place, which takes no room on a full disk
                os.utime(self._handle)
                self._renewed = begun
            elif owner is None and not self._overdue():  # somebody has removed it, perhaps with the folder
                self._make_again()
            else:
                self._lost = True

    def _make_again(self) -> None:
        self._name.parent.mkdir(parents=True, exist_ok=True)
        handle = make(self._name, self._about, GIVE_UP_SECONDS)
        if handle is None:  # another process was faster
            return
        os.dup2(handle, self._handle, inheritable=False)
        os.close(handle)
        self._files = [self._name]
        self._renewed = uptime()


def acquire(name: Path) -> Lease | Holder:
    """Take a lease, or return who holds it.

    Args:
        name: Its file, in a folder that exists.

    Raises:
        OSError: The file cannot be made, or is a link.
    """
    while True:
        found = chain(name)
        if found and not _is_free(name, found[-1]):
            return found[-1]
        if (lease := _take(name, found)) is not None:
            return lease


def _take(name: Path, found: list[Holder]) -> Lease | None:
    """Take a lease over from the last owner of its chain, or begin the chain; None if another process was faster."""
    path = after(name, found[-1]) if found else name
    about = claim(secrets.token_hex(8))
    with ExitStack() as undo:
        # Before the file can be seen: other threads take what their process made and does not hold.
        _held.add(about["token"])
        undo.callback(_held.discard, about["token"])
        handle = make(path, about, GIVE_UP_SECONDS)
        if handle is None:
            return None
        undo.callback(os.close, handle)
        # What this was decided on may have changed meanwhile; only the end of the chain owns.
        now = chain(name)
        if not now or now[-1].token != about["token"]:
            path.unlink(missing_ok=True)
            return None
        lease = Lease(name, about, handle, [name, *(after(name, one) for one in now[:-1])])
        undo.pop_all()
    return lease


def _is_free(name: Path, holder: Holder) -> bool:
    """Whether the owner has ended, as far as can be known."""
    if (running := holder.running(_held)) is not None:
        return not running
    # Seen unchanged for a while too, so that a clock that jumps (a machine was suspended) frees nothing.
    now, sighting = time.monotonic(), (name, holder.token)
    renewed, since = _sightings.setdefault(sighting, (holder.renewed, now))
    if renewed != holder.renewed:
        _sightings[sighting] = (holder.renewed, now)
        return False
    if now - since < 2 * HEARTBEAT_SECONDS:
        return False
    try:
        return clock(name.parent) - holder.renewed > STALE_SECONDS
    except OSError:  # where nothing can be written, nothing can be taken over
        return False
