"""Errors that a person can act on."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """Bad input: the command line prints the message alone on stderr and exits with 2."""


def unknown(kind: str, value: object, allowed: Iterable[str]) -> UsageError:
    """Build the error for a name that is not in a closed list, with the nearest match first.

    Args:
        kind: What the name stands for, e.g. ``"method"``.
        value: What was given.
        allowed: Every name that would have been accepted.
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UsageError(f"unknown {kind} {str(value)!r}: allowed are {', '.join(names)}{hint}")
