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


def jobs(text: str) -> int | None:
    """Read a number of runs at a time; None for ``auto``."""
    if text == "auto":
        return None
    most = (os.cpu_count() or 1) * _JOBS_PER_CORE
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto or a number of runs at a time in 1...{most}")
    return int(text)


def margin(text: str) -> float:
    """Read a difference of accuracy in percentage points; return it as a fraction."""
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
