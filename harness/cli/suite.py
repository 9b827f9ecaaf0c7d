"""``sparsebench suite``: train a grid of runs."""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.arguments import DONE, FAILED, OVERRIDES, jobs, margin
from harness.console import say
from harness.errors import unknown

if TYPE_CHECKING:
    from harness.board.spending import Plan
    from harness.config import RunConfig
    from harness.executors.base import Finished
    from harness.plan.planned import Planned

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
    command.add_argument(
        "--until",
        type=margin,
        metavar="POINTS",
        help="add seeds, at declared looks, until differences of so many points can be shown or nothing is undecided",
    )


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.plan import grid

    if given.executor != "local":
        raise unknown("executor", given.executor, ["local"])
    if given.until is not None:
        return _until(given)
    settings = list(grid.runs(given.suite, given.overrides))
    # Imported once the settings are known to be good: torch takes seconds.
    from harness.executors.execute import fetch
    from harness.plan.planned import plan

    fetch(settings)
    runs = plan(settings)
    _require(runs, set(), set())
    try:
        ended = _train(runs, given.jobs)
    finally:  # what has ended is on the board, whatever ends the suite
        _board(runs[0].run)
    return _status(ended, len(runs))


def _until(given: argparse.Namespace) -> int:
    """Train what each look of the plan needs, one after the other, until every level has ended."""
    from harness.board.spending import planned
    from harness.plan import until

    settings = until.cells(given.suite, given.overrides)
    from harness.executors.execute import fetch

    fetch(settings)
    looks = planned(given.until)
    ended: list[Finished] = []
    rows: set[str] = set()
    reasons: set[str] = set()
    state = until.state(settings, looks)
    if state.warning:
        say(state.warning)
    try:
        while state.runs:
            for line in state.lines:
                say(line)
            _require(state.runs, rows, reasons)
            ended += _train(state.runs, given.jobs, looks)
            state = until.state(settings, looks, {event.planned.key for event in ended})
    finally:
        _board(settings[0])
    for line in state.lines:
        say(line)
    return _status(ended, len(ended))


def _require(runs: "list[Planned]", rows: set[str], reasons: set[str]) -> None:
    """Make sure that runs can start, and say why their runners were chosen; once for each row and each reason.

    Args:
        runs: The runs.
        rows: Those that can start; added to.
        reasons: Those that were said; added to.
    """
    from harness.executors.execute import require

    for planned in runs:
        if not planned.settled and planned.identity.row not in rows:
            require(planned.run)  # a seed does not change whether a run can start
            rows.add(planned.identity.row)
    for planned in runs:
        if planned.choice.why not in reasons:
            say(planned.choice.why)
            reasons.add(planned.choice.why)


def _train(runs: "list[Planned]", at_once: int | None, looks: "Plan | None" = None) -> "list[Finished]":
    from harness.cli.follow import follow
    from harness.executors.local import LocalExecutor
    from harness.executors.sharing import share
    from harness.plan.chains import chains

    at_once, together = share(chains(runs), at_once, say)
    return follow(LocalExecutor(at_once, looks), runs, together)


def _board(run: "RunConfig") -> None:
    from harness import board
    from harness.cli import tables

    tables.board(board.make(Path(run.output) / "records", run.output))


def _status(ended: "list[Finished]", number: int) -> int:
    failed = Counter(event.status for event in ended if event.status != "done")
    if failed:
        listed = ", ".join(f"{number} {status}" for status, number in sorted(failed.items()))
        say(f"{failed.total()} of {number} runs are not done ({listed}); the board lists why")
    return FAILED if failed else DONE
