"""``sparsebench plan``: what runs would cost."""

import argparse
import json
from typing import TYPE_CHECKING

from harness.cli.arguments import DONE, OVERRIDES, margin
from harness.console import say
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.plan.planned import Planned


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=OVERRIDES)
    command.add_argument("--suite", metavar="NAME", help="plan a whole suite")
    command.add_argument("--until", type=margin, metavar="POINTS", help="of a suite: what its next look will train")
    command.add_argument("--json", action="store_true", help="print a JSON list")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness import config
    from harness.plan import grid

    if given.until is not None:
        return _until(given)
    if given.suite is not None:
        settings = list(grid.runs(given.suite, given.overrides))
    else:
        settings = [config.resolve(given.overrides)]
    # Imported once the settings are known to be good: torch takes seconds.
    from harness.cli import tables
    from harness.plan.planned import plan

    if given.suite is None:
        tables.notice_dense(given.overrides, settings[0])
    return _print(plan(settings), given.json)


def _until(given: argparse.Namespace) -> int:
    """Say how the levels of a suite stand, and what their next looks will train."""
    from harness.board.spending import planned
    from harness.plan import until

    if given.suite is None:
        raise UsageError("--until (UNTIL=) takes a suite: --suite NAME (SUITE=NAME)")
    state = until.state(until.cells(given.suite, given.overrides), planned(given.until))
    for line in (*state.lines, *filter(None, [state.warning])):
        say(line)
    if state.runs or given.json:
        return _print(state.runs, given.json)
    return DONE


def _print(runs: "list[Planned]", as_json: bool) -> int:
    from harness.cli import tables

    if as_json:
        print(json.dumps([planned.entry() for planned in runs], indent=1))
    else:
        tables.plan(runs)
    return DONE
