"""``sparsebench clean``: remove orphaned containers."""

import argparse

from harness.cli.arguments import DONE
from harness.console import say


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare no arguments."""


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.containers import engine, orphans

    removed = orphans.clean(engine.connect())
    say(f"removed {len(removed)} containers" + (f": {', '.join(removed)}" if removed else ""))
    return DONE
