"""The files of leases: making one, which only one process can, and reading them (`harness.machine.leases`)."""

import errno
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.machine.holder import SIZE, Holder, parse, text

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def chain(name: Path) -> list[Holder]:
    """Return the owners of a lease, each after the one that it took over from; none if it is free.

    Raises:
        OSError: A file cannot be read, or is a link.
    """
    found: list[Holder] = []
    path = name
    while (holder := _read(path)) is not None and holder.token not in {one.token for one in found}:
        found.append(holder)
        path = after(name, holder)
    return found


def after(name: Path, holder: Holder) -> Path:
    """Return the file of whoever takes over from a holder."""
    return name.with_name(f"{name.name}-{holder.token}")


def make(path: Path, about: dict[str, Any], within: float) -> int | None:
    """Make the file of a lease.

    Args:
        path: Its name.
        about: What it says (`harness.machine.holder.claim`).
        within: Seconds after which one that is not written yet may be taken over.

    Returns:
        The file, open; None if there is one already.

    Raises:
        OSError: It cannot be made.
    """
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        os.fchmod(handle, 0o644)  # others read who the owner is
        os.pwrite(handle, text(about), 0)
        os.utime(handle)
        made = _link(draft, path, handle, within)
    except BaseException:
        os.close(handle)
        raise
    finally:
        os.unlink(draft)
    if not made:
        os.close(handle)
        return None
    return handle


def clock(folder: Path) -> float:
    """Return the present time by the clock of a folder's file system, in seconds like `os.stat_result.st_mtime`.

    Raises:
        OSError: Nothing can be written there.
    """
    handle, path = tempfile.mkstemp(prefix=".clock-", dir=folder)
    try:
        os.utime(handle)  # the server decides on a time that is not given
        return os.fstat(handle).st_mtime
    finally:
        os.close(handle)
        os.unlink(path)


def uptime() -> float:
    """Return seconds by a clock that also counts while the machine sleeps; on Linux `time.monotonic` does not."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _read(path: Path) -> Holder | None:
    """Read one lease; None if there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return parse(os.read(handle, SIZE), os.fstat(handle).st_mtime)
    finally:
        os.close(handle)


def _link(draft: str, path: Path, handle: int, within: float) -> bool:
    """Give a lease its name, which only one can; return whether this one has it."""
    try:
        os.link(draft, path)
    except FileExistsError:
        # A server that was asked twice may say this although it did so the first time.
        return os.fstat(handle).st_nlink == 2
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _copy(path, handle, within)
    return True


def _copy(path: Path, handle: int, within: float) -> bool:
    """Do so on a file system without links; the handle becomes one of the new file."""
    begun = uptime()
    try:
        copy = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    try:
        os.pwrite(copy, os.pread(handle, SIZE, 0), 0)
        os.dup2(copy, handle, inheritable=False)
    finally:
        os.close(copy)
    return uptime() - begun < within
