"""Messages for the user, and the streams that they are written to."""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path


def say(text: str) -> None:
    """Print a line, or several, about how things are done, on stderr; nothing stops because nobody reads it."""
    with suppress(OSError):
        print("\n".join(map(printable, text.splitlines())), file=sys.stderr, flush=True)


def printable(text: object) -> str:
    """Return text with its control and direction characters as escapes: a terminal must not obey a record's name."""
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in plain)


def shown(path: Path) -> str:
    """Return a path, printable, relative to the current folder where that is shorter."""
    try:
        return printable(path.resolve().relative_to(Path.cwd()))
    except (OSError, ValueError):
        return printable(path)


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
