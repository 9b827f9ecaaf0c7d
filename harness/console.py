"""Lines for the person who started a command, and the streams that they go to."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path


def say(line: str) -> None:
    """Print a line about how things are done, on stderr."""
    print(line, file=sys.stderr, flush=True)


def shown(path: Path) -> str:
    """Return a path relative to the current folder where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)


def open_streams() -> None:
    """Make sure that there is a standard input, output and error, and that any text can be printed.

    Some supervisors start a program with these closed. The next files that it opens would then take their numbers,
    and receive what is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
