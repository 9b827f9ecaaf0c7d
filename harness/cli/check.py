"""``sparsebench check``: check records."""

import argparse
from pathlib import Path

from harness.cli.arguments import DONE, FAILED
from harness.errors import UsageError

ABOUT = "check records as a submission is checked"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("records", nargs="+", metavar="RECORD", help="a record's file")
    command.add_argument("--rerun", action="store_true", help="also train each again and compare the metrics")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from tempfile import TemporaryDirectory

    from harness.audit import submission as check
    from harness.cli.display import Display
    from harness.executors import rerun
    from harness.records import load, load_files

    refused = 0
    for name in given.records:
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"{name} is no file; a record lies in results/records/")
        beside, _ = load_files(path.parent)
        reasons = check.check(path, beside)
        if given.rerun and not reasons:
            with TemporaryDirectory() as folder, Display() as display, display.run(f"again: {path.name}") as show:
                reasons = rerun.rerun(load(path), Path(folder), show)
        refused += bool(reasons)
        print(f"{name}: {'refused' if reasons else 'passes'}")
        for reason in reasons:
            print(f"  {reason}")
    return FAILED if refused else DONE
