"""Logs of what runs print: bounded, with the end kept."""

import os
from pathlib import Path

LARGEST = 64 * 1024 * 1024
"""Bytes above which a log is cut."""
KEPT = 1024 * 1024
"""Bytes of its end that stay."""
LONGEST_LINE = 500


def trim(log: Path) -> None:
    """Cut a log that has grown too large down to its end; what is appended meanwhile follows it or is lost."""
    if not log.exists() or (size := log.stat().st_size) <= LARGEST:
        return
    with log.open("rb") as file:
        file.seek(max(0, size - KEPT))
        end = file.read(KEPT)
    os.truncate(log, 0)
    with log.open("ab") as file:
        file.write(b"(earlier output was dropped: the log was full)\n" + end)


def last_line(log: Path) -> str:
    """Return the last line of a log that is not blank, cut to a readable length; empty if there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - KEPT))
        lines = file.read(KEPT).decode(errors="replace").splitlines()
    return next((line.strip()[:LONGEST_LINE] for line in reversed(lines) if line.strip()), "")
