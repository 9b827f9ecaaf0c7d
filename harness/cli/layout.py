"""Rows of text: aligned columns where they fit, otherwise one field per line."""

import os
import sys
from collections.abc import Mapping, Sequence

from harness.console import printable


def width() -> int | None:
    """Return the columns of the terminal that stdout is, None if it is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return None


def fields(row: Mapping[str, str]) -> str:
    """Lay out one row with one field a line, the values aligned."""
    longest = max(map(len, row))
    return "\n".join(f"{name:<{longest}}  {printable(value)}" for name, value in row.items())


def one(row: Mapping[str, str], columns: int | None) -> str:
    """Lay out a single row: with its header if that fits ``columns``, else one field a line."""
    aligned = _aligned([row])
    return aligned if columns and _widest(aligned) <= columns else fields(row)


def many(rows: Sequence[Mapping[str, str]], columns: int | None) -> str:
    """Lay out rows with the same fields, a line each; where a terminal is too narrow for that, one field a line.

    Args:
        rows: At least one; all have the fields of the first.
        columns: Of the terminal; None for a pipe or a file, which take lines of any length.
    """
    aligned = _aligned(rows)
    if columns is None or _widest(aligned) <= columns:
        return aligned
    return "\n\n".join(map(fields, rows))


def _aligned(rows: Sequence[Mapping[str, str]]) -> str:
    lines = [list(rows[0]), *([printable(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{wide}}" for cell, wide in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def clock(seconds: float) -> str:
    """Return a time as ``0:05`` or ``1:00:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def megabytes(size: int) -> str:
    """Return bytes as ``1,234.57 MB``."""
    return f"{size / 1e6:,.2f} MB"
