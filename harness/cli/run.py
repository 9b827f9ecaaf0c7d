"""``sparsebench run``: train one run."""

import argparse
from pathlib import Path

from harness.cli.arguments import DONE, FAILED, OVERRIDES
from harness.console import say, shown


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=OVERRIDES)
    command.add_argument("--force", action="store_true", help="train it again even if its record exists")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness import config

    run = config.resolve(given.overrides)
    # Imported once the settings are known to be good: torch takes seconds.
    from harness import board
    from harness.cli import tables
    from harness.cli.follow import follow
    from harness.executors import execute
    from harness.executors.local import LocalExecutor
    from harness.plan.planned import plan

    tables.notice_dense(given.overrides, run)
    execute.fetch([run])
    (planned,) = plan([run])
    execute.require(planned.run)
    say(planned.choice.why)
    if given.force:
        planned = execute.anew(planned)
    try:
        (ended,) = follow(LocalExecutor(), [planned], [[planned]])
    finally:  # an interrupted run is on the board too
        board.make(Path(run.output) / "records", run.output)
    if not ended.trained and ended.path is not None:
        say(f"{ended.status} already: {shown(ended.path)} (--force trains it again)")
    tables.without_corruptions([ended])
    tables.row(ended)
    return DONE if ended.status == "done" else FAILED
