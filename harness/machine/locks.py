"""Locks on files, which the kernel releases when the process that holds one ends, however it ends."""

import errno
import fcntl
import os
from pathlib import Path

_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class NoLocksError(Exception):
    """A file system that has no locks."""


def acquire(path: Path) -> int | None:
    """Lock a file, making it if needed.

    Returns:
        The descriptor that holds the lock until it is closed; None if another one holds it, also in this process.

    Raises:
        NoLocksError: The file system has no locks.
        OSError: The file cannot be made.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(handle, path):  # not removed by the one who held it before
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:
            os.close(handle)
            if error.errno in _UNSUPPORTED:
                raise NoLocksError(f"{path.parent}: its file system has no locks") from None
            raise
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def release(handle: int, path: Path) -> None:
    """Remove a file that `acquire` has locked, and the lock with it."""
    try:
        if _is(handle, path):
            path.unlink(missing_ok=True)
    except OSError:  # on a disk that has become read-only the file stays, unlocked
        pass
    finally:
        os.close(handle)


def _is(handle: int, path: Path) -> bool:
    """Return whether the path still names the open file."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
