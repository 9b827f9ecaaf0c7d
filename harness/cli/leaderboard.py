"""``sparsebench leaderboard``: records to board."""

import argparse
from importlib.util import find_spec

from harness import extras
from harness.cli.arguments import DONE, output
from harness.console import printable, say
from harness.errors import UsageError
from harness.places import ROOT

DOCUMENTS = ("README.md", "docs/results.md")


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="output=DIR", help="folder of records/ and board")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    folder = output(given.overrides)
    records = folder / "records"
    if not records.is_dir():
        raise UsageError(f"no records: {printable(records)} is not a folder; make bench creates it")
    # Imported once there is something to show: pandas takes a second.
    from harness import board
    from harness.board.page import picture
    from harness.cli import tables

    # The documents show the project's own results; those of another folder are somebody's experiment.
    own = folder.resolve() == (ROOT / "results").resolve()
    tables.board(board.make(records, folder, [ROOT / name for name in DOCUMENTS] if own else []))
    if find_spec(picture.ENGINE) is None:
        say(f"pareto.svg holds words instead of the plot: {extras.missing(picture.ENGINE)}")
    return DONE
