"""Reading and writing the files of records: strictly, within bounds, and atomically."""

import contextlib
import json
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import IO, Any, NoReturn

from harness.records.record import Record, text, upgrade
from harness.records.shapes import LONGEST_REASON
from harness.records.validate import RecordError, require, shortened

LARGEST = 64 * 1024 * 1024
"""Bytes of the largest file that is read or written as a record."""

# A backslash-u escape of half a character, which may or may not be followed by the other half.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(content: bytes) -> Record:
    """Return the record that a file's content is.

    Args:
        content: JSON in UTF-8.

    Returns:
        The record, upgraded in memory to the keys of the newest schema (`harness.records.record.upgrade`).

    Raises:
        RecordError: See `decode`; or it breaks the schema.
    """
    record: Record = decode(content)
    require(record)
    return upgrade(record)


def decode(content: bytes, largest: int = LARGEST) -> Any:
    """Return the value that JSON in UTF-8 is.

    Args:
        content: The JSON.
        largest: Bytes that it may have.

    Raises:
        RecordError: It is larger, is not valid JSON (which has neither NaN nor infinities), or holds text that is not
            Unicode.
    """
    if len(content) > largest:
        raise RecordError(f"larger than {largest >> 20} MiB")
    try:
        value = json.loads(content.decode(), parse_constant=_refuse_constant)
        if _SURROGATE.search(content):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError:
        raise RecordError("not valid text: half of a surrogate pair") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"not valid UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise RecordError("not valid JSON: nested too deeply") from None
    except ValueError as error:
        raise RecordError(f"not valid JSON: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def load(path: Path | str) -> Record:
    """Read and check one record.

    Args:
        path: A regular file of at most `LARGEST` bytes.

    Raises:
        RecordError: The file is something else, is not valid JSON or breaks the schema.
        OSError: The file cannot be read.
    """
    with open_regular(path) as file:
        return parse(file.read(LARGEST + 1))


def open_regular(path: Path | str) -> IO[bytes]:
    """Open a file for reading, unless it is something that reading might never end on, as a pipe or a device.

    Raises:
        RecordError: It is not a regular file.
        OSError: It cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise RecordError("not a regular file")
    return os.fdopen(handle, "rb")


def write(record: Record, path: Path | str) -> None:
    """Check a record and write it, atomically.

    Args:
        record: The record; numbers that are not finite become null, and a reason that is too long loses its middle,
            since a failed run must leave a record whatever its method raised.
        path: The file.

    Raises:
        RecordError: The record breaks the schema or could not be read again; nothing is written.
    """
    content = text(record | {"reason": shortened(record["reason"], LONGEST_REASON)} if record.get("reason") else record)
    try:
        parse(content.encode())
    except UnicodeEncodeError:
        raise RecordError("not valid text: half of a surrogate pair") from None
    write_atomic(path, content)


def write_atomic(path: Path | str, content: str) -> None:
    """Write a text file so that a reader sees the old one or the whole new one, even after a power failure.

    Args:
        path: The file; its folder is made if missing.
        content: Its text, stored as UTF-8.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp makes it private, and a record is there to be read
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a full disk names no file
            error.filename = str(path)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power failure, where the file system can."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
