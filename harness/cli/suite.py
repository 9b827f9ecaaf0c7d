"""``sparsebench suite``: train a grid of runs."""

import argparse

from harness.cli.arguments import DONE, FAILED, OVERRIDES, jobs
from harness.errors import unknown

ABOUT = "train a grid of runs, skipping those that are done, and update the board"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=OVERRIDES)
    command.add_argument("--suite", required=True, metavar="NAME", help="a file of benchmarks/suite")
    command.add_argument("--executor", default="local", metavar="NAME", help="where its runs go; local is the only one")
    command.add_argument(
        "--jobs",
        type=jobs,
        default=1,
        metavar="N",
        help="runs at a time, auto for what is fastest here; their wall-clock is marked as shared",
    )


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.plan import grid as suite

    if given.executor != "local":
        raise unknown("executor", given.executor, ["local"])
    return DONE if suite.train(given.suite, given.overrides, given.jobs) else FAILED
