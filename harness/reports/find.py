"""Finds one record: by its file, its key or the beginning of its name."""

import os
from pathlib import Path

from harness.console import printable
from harness.errors import UsageError, short
from harness.records import Record, RecordError, load

_NAMED = 3  # candidates that a message lists


def one(text: str, output: Path) -> tuple[Path, Record]:
    """Find and read one record.

    Args:
        text: A file, or of a record in ``output/records`` the key, its beginning, or the beginning of the name.
        output: The folder that holds ``records``.

    Returns:
        The record's file and the record.

    Raises:
        UsageError: There is no such record, there are several, or the file is not a record.
    """
    path = _file(text) or _by_name(text, output / "records")
    return path, read(path)


def read(path: Path) -> Record:
    """Read a record.

    Raises:
        UsageError: The file is not a record or cannot be read.
    """
    try:
        return load(path)
    except RecordError as error:
        raise UsageError(f"{short(path)} is not a record: {error}") from None
    except OSError as error:
        raise UsageError(f"{short(path)} cannot be read: {error.strerror}") from None


def existing(text: str) -> Path | None:
    """Return a path that exists; None for text that names nothing or cannot be a path."""
    try:
        return Path(text) if text and Path(text).exists() else None
    except (OSError, ValueError):  # too long, or with a character that no name has
        return None


def _file(text: str) -> Path | None:
    path = existing(text)
    if path is not None and path.is_dir():
        raise UsageError(f"{short(text)} is a folder: name one of its records")
    return path


def _by_name(text: str, folder: Path) -> Path:
    wanted = text.removesuffix(".json")
    if not wanted:
        raise UsageError("the name of a record is empty: give a file, a key or the beginning of a name")
    if not folder.is_dir():
        raise UsageError(f"no file {short(text)}, and no records: {short(folder)} is not a folder")
    names = [name for name in sorted(os.listdir(folder)) if name.endswith(".json") and not name.startswith(".")]
    whole = [name for name in names if name.removesuffix(".json") == wanted or _key(name) == wanted]
    found = whole or [name for name in names if name.startswith(wanted) or _key(name).startswith(wanted)]
    if len(found) == 1:
        return folder / found[0]
    if not found:
        raise UsageError(
            f"no record {short(text)} in {short(folder)}: give a file, a key or the beginning of a record's name"
        )
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    raise UsageError(f"{short(text)} stands for {len(found)} records: {printable(', '.join(found[:_NAMED]))}{more}")


def _key(name: str) -> str:
    """Return the key that ends a record's file name."""
    return name.removesuffix(".json").rpartition("-")[2]
