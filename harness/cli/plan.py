"""``sparsebench plan``: what runs would cost."""

import argparse
import json

from harness.cli.arguments import DONE, OVERRIDES

ABOUT = "show runs, what they will cost and which are done; train nothing"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=OVERRIDES)
    command.add_argument("--suite", metavar="NAME", help="plan a whole suite")
    command.add_argument("--json", action="store_true", help="print a JSON list")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness import config
    from harness.plan import grid

    if given.suite is not None:
        settings = list(grid.runs(given.suite, given.overrides))
    else:
        settings = [config.resolve(given.overrides)]
    # Imported once the settings are known to be good: torch takes seconds.
    from harness.cli import tables
    from harness.plan.planned import plan

    if given.suite is None:
        tables.notice_dense(given.overrides, settings[0])
    runs = plan(settings)
    if given.json:
        print(json.dumps([planned.entry() for planned in runs], indent=1))
    else:
        tables.plan(runs)
    return DONE
