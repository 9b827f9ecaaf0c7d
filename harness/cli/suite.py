"""``sparsebench suite``: train a grid of runs."""

import argparse
from collections import Counter
from pathlib import Path

from harness.cli.arguments import DONE, FAILED, OVERRIDES, jobs
from harness.console import say
from harness.errors import unknown

ABOUT = "train a grid of runs, skipping those that are done, and update the board"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=OVERRIDES)
    command.add_argument("--suite", default="", metavar="NAME", help="name of a file in benchmarks/suite")
    command.add_argument("--executor", default="local", metavar="NAME", help="where its runs are trained: local")
    command.add_argument(
        "--jobs",
        type=jobs,
        default=1,
        metavar="N",
        help="runs at a time, or auto to find the fastest number; their wall-clock is marked as shared",
    )


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.plan import grid

    if given.executor != "local":
        raise unknown("executor", given.executor, ["local"])
    settings = list(grid.runs(given.suite, given.overrides))
    # Imported once the settings are known to be good: torch takes seconds.
    from harness import board
    from harness.cli import tables
    from harness.cli.follow import follow
    from harness.executors.execute import fetch, require
    from harness.executors.local import LocalExecutor
    from harness.executors.sharing import share
    from harness.plan.chains import chains
    from harness.plan.planned import plan

    fetch(settings)
    runs = plan(settings)
    missing = [planned for planned in runs if not planned.settled]
    for planned in {planned.identity.row: planned for planned in missing}.values():
        require(planned.run)  # a seed does not change whether a run can start
    for why in dict.fromkeys(planned.choice.why for planned in runs):
        say(why)
    at_once, together = share(chains(runs), given.jobs, say)
    try:
        ended = follow(LocalExecutor(at_once), runs, together)
    finally:  # what has ended is on the board, whatever ends the suite
        tables.board(board.make(Path(runs[0].run.output) / "records", runs[0].run.output))
    failed = Counter(event.status for event in ended if event.status != "done")
    if failed:
        listed = ", ".join(f"{number} {status}" for status, number in sorted(failed.items()))
        say(f"{failed.total()} of {len(runs)} runs are not done ({listed}); the board lists why")
    return FAILED if failed else DONE
