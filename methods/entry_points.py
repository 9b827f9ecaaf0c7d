"""Plug-ins that installed packages declare as entry points."""

import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

_skipped: set[tuple[str, str]] = set()


def load(group: str, add: Callable[[str, Any], None]) -> None:
    """Import the plug-ins of a group; one that fails is named on stderr, in one line, and skipped.

    Args:
        group: Name of an entry-point group, such as ``sparsebench.methods``.
        add: Registers a plug-in, given the name of its entry point and the object that it refers to. It raises a
            ValueError or TypeError that says why a plug-in cannot be registered.
    """
    for entry in metadata.entry_points(group=group):
        try:
            add(entry.name, entry.load())
        except (Exception, SystemExit) as error:  # importing a plug-in runs its author's code
            _skipped.add((group, entry.name))
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            line = f"sparsebench: plug-in {entry.name!r} ({entry.value}) was skipped: {reason}"
            shown = (sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)  # nothing steers a terminal
            print("".join(shown), file=sys.stderr)


def names(group: str) -> list[str]:
    """Return the names of a group's entry points without importing them, except those that `load` has skipped."""
    return sorted(entry.name for entry in metadata.entry_points(group=group) if (group, entry.name) not in _skipped)
