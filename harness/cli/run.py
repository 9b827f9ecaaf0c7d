"""``sparsebench run``: train one run."""

import argparse
from pathlib import Path

from harness.cli.arguments import DONE, FAILED, OVERRIDES
from harness.console import say, shown

ABOUT = "train one run and update the board"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=OVERRIDES)
    command.add_argument("--force", action="store_true", help="train it again although its record exists")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness import board
    from harness.cli import tables as report
    from harness.cli.display import Display
    from harness.config import compose as config
    from harness.executors import execute
    from harness.plan import price as plan
    from harness.runners.choose import choose

    run = config.resolve(given.overrides)
    report.notice_dense(given.overrides, run)
    plan.settle(run)
    execute.require(run)
    choice = choose(run)
    say(choice.why)
    if given.force:
        execute.forget(run, choice)
    result = None if given.force else execute.existing(run, choice.image_id)
    if result is None:
        with Display() as display, display.run(report.title(run)) as show:
            result = execute.execute(run, choice, show)
    else:
        say(f"{result.record['status']} already: {shown(result.path)} (--force trains it again)")
    board.make(Path(run.output) / "records", run.output)
    report.row(result)
    if result.record["status"] == "interrupted":
        raise KeyboardInterrupt
    return DONE if result.record["status"] == "done" else FAILED
