"""``sparsebench plan``: what runs would cost."""

import argparse
import json

from harness.cli.arguments import DONE, OVERRIDES

ABOUT = "say which runs there are, what they will cost and which are done; train nothing"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=OVERRIDES)
    command.add_argument("--suite", metavar="NAME", help="plan a whole suite")
    command.add_argument("--json", action="store_true", help="print a JSON list")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.cli import tables as report
    from harness.config import compose as config
    from harness.plan import grid as suite
    from harness.plan import price as plan
    from harness.runners.choose import image_id

    if given.suite:
        runs = suite.runs(given.suite, given.overrides)
    else:
        runs = [config.resolve(given.overrides)]
        report.notice_dense(given.overrides, runs[0])
    entries = [plan.entry(run, image_id(run)) for run in runs]
    if given.json:
        print(json.dumps(entries, indent=1))
    else:
        report.plan_table(entries)
    return DONE
