"""``sparsebench check``: check records."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from harness.cli.arguments import DONE, FAILED
from harness.console import printable
from harness.errors import UsageError


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument(
        "records", nargs="+", metavar="RECORD", help="a record's file, or a folder of records or with records/"
    )
    command.add_argument("--rerun", action="store_true", help="also train each run again and compare the metrics")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.audit import submission

    refused = unchecked = 0
    notes: dict[Path, list[str]] = {}
    found = submission.check(_paths(given.records), notes, workers=len(os.sched_getaffinity(0)))
    for path, refusals in found.items():
        try:
            reasons = _rerun(path) if given.rerun and not refusals else refusals
        except UsageError as error:  # of this machine, not of the record; others may be repeatable here
            print(f"{printable(path)}: could not be checked: {printable(error)}")
            unchecked += 1
            continue
        print(f"{printable(path)}: {'refused' if reasons else 'passes'}")
        for reason in reasons:
            print(f"  {printable(reason)}")
        for note in [] if reasons else notes.get(path, []):
            print(f"  note: {printable(note)}")
        refused += bool(reasons)
    checked = len(found) - unchecked
    more = f"; {unchecked} could not be checked" if unchecked else ""
    print(f"{checked} checked: {checked - refused} pass, {refused} refused{more}")
    return FAILED if refused or unchecked else DONE


def _paths(names: Sequence[str]) -> list[Path]:
    """Return the files that arguments name, those of a folder in order."""
    from harness.records.folder import record_paths

    found: list[Path] = []
    for name in names:
        path = Path(name)
        if not path.exists():
            raise UsageError(f"{name!r} does not exist; records are in results/records/")
        folder = path / "records" if (path / "records").is_dir() else path
        inside = sorted(record_paths(folder)) if path.is_dir() else [path]
        if not inside:
            raise UsageError(f"{name!r} holds no records (*.json); records are in results/records/")
        found += inside
    return found


def _rerun(path: Path) -> list[str]:
    """Train a record's run again and return how it differs, one line each."""
    from tempfile import TemporaryDirectory

    from harness.cli.display import Display
    from harness.executors import rerun
    from harness.records import load

    with TemporaryDirectory() as folder, Display() as display, display.run(f"again: {path.name}") as show:
        return rerun.rerun(load(path), Path(folder), show)
