"""Files of tensors that are complete or not used: flushed to the disk, and loaded only if every bit is right.

A sealed file is one of ``torch.save``, which ``torch.load`` reads as any other, followed by a mark and the SHA-256 of
all that comes before it.
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import IO, Any, cast

import torch

from harness.errors import first_line
from harness.records.store import sync_folder

_MARK = b"\nsparsebench-sha256:"
_SEAL = len(_MARK) + hashlib.sha256().digest_size
_PIECE = 1 << 20


class DamagedError(Exception):
    """A file cannot be trusted; the message says why."""


def write(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values so that the file is whole or not there, even after a power failure.

    Raises:
        OSError: It cannot be written; what was there before still is, and no partial file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            writer = _Writer(file)
            torch.save(state, cast("IO[bytes]", writer))
            if writer.error is not None:
                raise writer.error
            file.write(_MARK + writer.digest.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        remove(part)
        raise
    sync_folder(path.parent)


def read(path: Path) -> Any:
    """Return what `write` was given, on the CPU; no code that a file holds is run.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedError: It is not a file, or not as it was written.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            _verify(file)
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
    except (FileNotFoundError, DamagedError, MemoryError):
        raise
    except Exception as error:  # whatever reading a file that somebody else has made raises
        raise DamagedError(first_line(error)) from None


def part_of(path: Path) -> Path:
    """Return the name under which a file is written before it takes its own."""
    return path.with_suffix(".part")


def remove(path: Path) -> None:
    """Remove a file if it is there and can be removed."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _verify(file: IO[bytes]) -> None:
    """Check the seal.

    Raises:
        DamagedError: It is missing or broken.
    """
    what = os.fstat(file.fileno())
    if not stat.S_ISREG(what.st_mode):
        raise DamagedError("not a file")
    left = what.st_size - _SEAL
    if left <= 0:
        raise DamagedError("empty or cut short")
    digest = hashlib.sha256()
    while left and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    if file.read() != _MARK + digest.digest():
        raise DamagedError("not as it was written")


class _Writer:
    """What ``torch.save`` writes into: computes the digest on the way.

    An exception in the middle of its writing would leave torch's writer in disorder, so an error is kept for later.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        piece = memoryview(data)
        if self.error is None:
            try:
                self._file.write(piece)
            except OSError as error:
                self.error = error
            self.digest.update(piece)
        return piece.nbytes

    def flush(self) -> None:
        """Do nothing: the file is flushed once, at the end."""
