"""``sparsebench prune-networks``: free the disk space of kept networks."""

import argparse
import math
import time
from collections.abc import Collection
from pathlib import Path

from harness.cli import layout
from harness.cli.arguments import DONE, FAILED, output
from harness.console import printable, shown
from harness.errors import UsageError

_DAY = 24 * 60 * 60


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    which = command.add_mutually_exclusive_group()
    which.add_argument("--older-than", type=_days, metavar="DAYS", help="only those written more than DAYS days ago")
    which.add_argument("--not-on-board", action="store_true", help="only those whose run counts in no row of the board")
    command.add_argument("--yes", action="store_true", help="remove them; without it nothing is removed")
    command.add_argument("overrides", nargs="*", metavar="output=DIR", help="folder of networks/ and records/")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    place = output(given.overrides)
    if not place.is_dir():
        raise UsageError(f"{printable(place)} is not a folder; output=DIR names the one with networks/")
    chosen = _networks(place)
    if given.older_than is not None:
        latest = time.time() - given.older_than * _DAY
        chosen = {path: size for path, size in chosen.items() if path.stat().st_mtime < latest}
    if given.not_on_board:
        counted = _on_board(place)
        chosen = {path: size for path, size in chosen.items() if path.stem not in counted}
    removed: dict[Path, int] = {}
    for path, size in chosen.items():
        if given.yes and _removed(path):
            removed[path] = size
        failed = given.yes and path not in removed
        print(f"{shown(path)}: {layout.megabytes(size)}{', not removed' if failed else ''}")
    if given.yes:
        print(f"removed {_sum(removed.values())}; their records stay")
        return DONE if len(removed) == len(chosen) else FAILED
    print(_sum(chosen.values()) + ("; --yes removes them, their records stay" if chosen else ""))
    return DONE


def _networks(place: Path) -> dict[Path, int]:
    """Return the networks of an output, by name, with their bytes; what a killed harness left half-written as well."""
    from harness.networks.keep import FOLDER

    # Only names that the harness gives: whatever else lies there is somebody's own.
    names = [
        path for ending in ("safetensors", "part") for path in (place / FOLDER).glob(f"{'[0-9a-f]' * 16}.{ending}")
    ]
    return {path: path.lstat().st_size for path in sorted(names)}


def _on_board(place: Path) -> set[str]:
    """Return the keys of the runs that count in a row of the board.

    Raises:
        UsageError: Not every record can be read.
    """
    from harness.board import board

    records = place / "records"
    if not records.is_dir():
        raise UsageError(f"{printable(records)} is not a folder, so nothing is known to be on no board")
    made = board.read(records)
    if problems := [problem for problem in made.problems if "/" not in problem.file]:  # the others are no records
        first, *more = problems
        others = f", and {len(more)} other records" if more else ""
        raise UsageError(
            f"{printable(f'{first.file}: {first.reason}')}{others}: unreadable records may be on the board"
        )
    return {run["key"] for table in made.tables for row in table.rows for run in row.runs.values()}


def _removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days < math.inf:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a number of days of 0 or more")
    return days


def _sum(sizes: Collection[int]) -> str:
    """Say how many networks there are and what they take."""
    return f"{len(sizes)} network{'s' if len(sizes) != 1 else ''}, {layout.megabytes(sum(sizes))}"
