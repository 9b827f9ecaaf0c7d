"""Rows of text: aligned columns where they fit, otherwise one field per line."""

import os
import sys
from collections.abc import Mapping, Sequence

from harness.console import printable
from harness.records.metrics import Metric


def width() -> int | None:
    """Return the columns of the terminal that stdout is, None if it is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return None


def fields(row: Mapping[str, str]) -> str:
    """Lay out one row with one field a line, the values aligned."""
    names = [printable(name) for name in row]
    longest = max(map(len, names))
    return "\n".join(f"{name:<{longest}}  {printable(value)}" for name, value in zip(names, row.values(), strict=True))


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
    lines = [[printable(name) for name in rows[0]], *([printable(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{wide}}" for cell, wide in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def heading(metric: Metric) -> str:
    """Return the name of a metric over a column whose values have their unit: ``top-1`` or ``bits per byte``."""
    return metric.label.removesuffix(" %")


def score(metric: Metric, value: float | None) -> str:
    """Return a value for such a column: ``88.68%`` or ``2.1034``."""
    if value is None:
        return "-"
    return f"{metric.shown(value)}%" if metric.label.endswith("%") else metric.shown(value)


def clock(seconds: float) -> str:
    """Return a time as ``0:05`` or ``1:00:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def megabytes(size: int) -> str:
    """Return bytes as ``1,234.57 MB``."""
    return f"{size / 1e6:,.2f} MB"
