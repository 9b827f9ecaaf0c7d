"""``sparsebench speed``: speed suites."""

import argparse
from pathlib import Path


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("--json", type=Path, metavar="FILE", help="write the ratios to FILE")
    command.add_argument(
        "--quick", action="store_true", help="small nets and two rounds: shows that it runs, not how fast"
    )
    command.add_argument("--against", metavar="REVISION", help="time the commands of another commit alongside")
    command.add_argument("--all", action="store_true", help="time whole commands too: a board, a run in a container")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.speed import suites

    return suites.main(given.json, quick=given.quick, everything=given.all, against=given.against)
