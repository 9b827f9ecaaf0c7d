"""What several commands share: exit statuses and the parsing of common arguments."""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError, short

DONE, FAILED, USAGE = 0, 1, 2
"""Exit statuses: all done; a run failed or a record was refused; bad usage."""

OVERRIDES = "name=value, e.g. method=rigl dataset=cifar10 sparsity=0.95 budget=flops:0.5 output=DIR tensorboard=tb"


_JOBS_PER_CORE = 16
_MOST_JOBS = 10_000


def jobs(text: str) -> int | None:
    """Read a number of runs at a time on this machine; None for ``auto``."""
    return _number_of_jobs(text, _most_here())


def jobs_anywhere(text: str) -> int | None:
    """Read a number of runs at a time, wherever they are; None for ``auto``."""
    return _number_of_jobs(text, _MOST_JOBS)


def jobs_here(number: int | None) -> None:
    """Make sure that so many runs at a time are not too many for this machine.

    Raises:
        UsageError: They are.
    """
    if (number or 0) > _most_here():
        raise UsageError(f"--jobs {number} is not auto or a number of runs at a time in 1...{_most_here()}")


def _most_here() -> int:
    return (os.cpu_count() or 1) * _JOBS_PER_CORE


def _number_of_jobs(text: str, most: int) -> int | None:
    if text == "auto":
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto or a number of runs at a time in 1...{most}")
    return int(text)


def margin(text: str) -> float:
    """Read a difference in points, hundredths of what is whole (docs/statistics.md); return it as a fraction."""
    least, most = 0.05, 50
    points = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?|\.[0-9]{1,9}", text) else 0.0
    if not least <= points <= most:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a number of percentage points in {least}...{most}")
    return points / 100


def output(overrides: Sequence[str]) -> Path:
    """Read ``output=DIR``, the only override of some commands; the default is ``results``.

    Raises:
        UsageError: Something else was given.
    """
    from harness.config import values

    folder = "results"
    for override in overrides:
        name, _, text = override.partition("=")
        if name != "output":
            raise UsageError(f"{short(override)}: this command takes only output=DIR")
        folder = str(values.read("output", str, text))
    return Path(folder)
