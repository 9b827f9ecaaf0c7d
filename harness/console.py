"""Lines for the person who started a command."""

import sys
from pathlib import Path


def say(line: str) -> None:
    """Print a line about how things are done, on stderr."""
    print(line, file=sys.stderr, flush=True)


def shown(path: Path) -> str:
    """Return a path relative to the current folder where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
