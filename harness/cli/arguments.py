"""What several commands share: exit statuses, and arguments read alike."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError

DONE, FAILED, USAGE = 0, 1, 2
"""Exit statuses: all done; a run failed or a record was refused; bad usage."""

OVERRIDES = "name=value, e.g. method=rigl dataset=cifar10 sparsity=0.95 budget=flops:0.5 runner=local output=DIR"


def jobs(text: str) -> int | None:
    """Read a number of runs at a time; None for ``auto``."""
    if text == "auto":
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number or auto")
    return int(text)


def output(overrides: Sequence[str]) -> Path:
    """Read ``output=DIR``, the only override of some commands; the default is ``results``.

    Raises:
        UsageError: Something else was given.
    """
    for override in overrides:
        name, _, value = override.partition("=")
        if name != "output" or not value:
            raise UsageError(f"{override!r}: this command takes output=DIR alone")
        return Path(value)
    return Path("results")
