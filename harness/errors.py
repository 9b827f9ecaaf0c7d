"""Errors that a user can act on."""

import difflib
import inspect
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_NEAR = 0.65  # of difflib: one letter of three may differ; snip is not set_itop
_LONGEST = 80  # characters of a value in a message
_LONGEST_LINE = 1000
NAMED = 4
"""Names of a list that a message gives, such as those of refused weights."""


class UsageError(ValueError):
    """Bad input: the command line prints the message alone on stderr and exits with 2."""


class UnfitError(UsageError):
    """A method that cannot be trained at this sparsity, on this model or under this budget, whatever its settings."""


class BuilderError(UsageError):
    """The function that makes a model raised an error, for example because a width leaves too few channels."""


def unknown(kind: str, value: object, allowed: Iterable[str], meant: Mapping[str, str] | None = None) -> UsageError:
    """Build the error for a name that is not in a closed list; a near match is suggested.

    Args:
        kind: What the name stands for, e.g. ``"method"``.
        value: What was given.
        allowed: Every name that would have been accepted.
        meant: Names that people use for one that is allowed.
    """
    names = sorted(allowed)
    near = (meant or {}).get(str(value)) or nearest(str(value), names)
    hint = f"; did you mean {near!r}?" if near else ""
    return UsageError(f"unknown {kind} {short(value)}: allowed are {', '.join(names)}{hint}")


def nearest(given: str, names: Iterable[str]) -> str | None:
    """Return the name that a misspelt one was probably meant to be; upper and lower case count the same."""
    lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(given.lower(), lower, n=1, cutoff=_NEAR)
    return lower[found[0]] if found else None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if it has none, cut to a readable length."""
    return (message(error).strip() or type(error).__name__).splitlines()[0][:_LONGEST_LINE]


def message(error: BaseException) -> str:
    """Return an error's message as text that can be stored; empty if even that fails, as it may in foreign code."""
    try:
        return str(error).encode(errors="backslashreplace").decode()
    except Exception:
        return ""


def reason(error: BaseException, path: Path | str) -> str:
    """Say in one line what went wrong in code of others, and on which line of its file.

    Args:
        error: What it raised, or what was raised over something that it returned.
        path: The file.
    """
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    text = str(error.msg) if isinstance(error, SyntaxError) else message(error)
    where = f"line {lines[-1]}: " if lines else ""
    return where + " ".join(f"{type(error).__name__}: {text}".split())[:300]


def file_of(code: Any) -> str:
    """Return the file of a class or a function, for `reason`; nothing if that cannot be told."""
    try:
        return inspect.getfile(inspect.unwrap(code))
    except (TypeError, OSError):
        return ""


def listed(names: Sequence[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def short(value: object) -> str:
    """Quote a value for a message, cut to a length that leaves the message readable."""
    return repr(cut(str(value)))


def cut(text: str) -> str:
    """Cut a text to a length that leaves a message readable."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
