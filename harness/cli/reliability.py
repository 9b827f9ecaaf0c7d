"""``sparsebench reliability``: calibration, accuracy under corruptions and agreement of seeds, from kept networks."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.arguments import DONE, FAILED, output
from harness.console import printable, say, shown
from harness.errors import UsageError
from harness.records import metrics

if TYPE_CHECKING:
    from harness.records import Record
    from harness.reliability.measure import OfRow, OfRun


_WHICH = "a record's file, key or beginning of name; a folder; a glob; or a selector, 'method=rigl sparsity=0.9'"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument(
        "records", nargs="*", metavar="RECORDS", help=f"{_WHICH}; without any, all of output=DIR (default: results)"
    )
    command.add_argument("--no-corruptions", action="store_true", help="leave out accuracy under corruptions")
    command.add_argument("--force", action="store_true", help="measure under corruptions again what is known already")
    command.add_argument("--model", metavar="FILE:FUNCTION", help="the plug-in that the models come from")
    command.add_argument("--dataset", metavar="FILE:FUNCTION", help="the plug-in that the data set comes from")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status: 1 if something could not be measured."""
    folder = output([text for text in given.records if text.startswith("output=")])
    chosen = [text for text in given.records if not text.startswith("output=")] or [str(folder)]
    files = _files(chosen, folder)
    # Imported once there is something to measure: torch takes seconds.
    from harness import plugins
    from harness.reliability.measure import Measuring, rows

    if given.dataset:
        plugins.load("dataset", given.dataset)
    found = rows(files)
    measuring = Measuring(corruptions=not given.no_corruptions, force=given.force, model=given.model)
    counted = {file for row in found for file in row.files.values()}
    refused = [f"{file}: {_left_out(record)}" for file, record in files.items() if file not in counted]
    measured = []
    with _bar(measuring.passes * len(counted)) as (title, tell):
        for row in found:
            title(f"{row.method} {row.sparsity:g}")
            measured.append(measuring(row, tell))
    _print([run for each in measured for run in each.runs if run.group is not None])
    for each in measured:
        _together(each)
    refused += [f"{run.file}: {run.refused}" for each in measured for run in each.runs if run.refused]
    for line in refused:
        say(f"not measured: {line}")
    written = [path for each in measured for path in (each.path, *(run.path for run in each.runs)) if path]
    if written:
        count = f"{len(written)} file{'s' if len(written) != 1 else ''}"
        say(f"wrote {count} to {shown(written[0].parent)}; sparsebench leaderboard shows them")
    return FAILED if refused else DONE


def _files(chosen: Sequence[str], folder: Path) -> "dict[str, Record]":
    from harness.reports import sides

    found: dict[str, Record] = {}
    for text in chosen:
        side = sides.read("reliability", text, folder)
        for problem in side.left_out:
            say(f"left out: {problem.file}: {problem.reason}")
        found |= {str(Path(file).absolute()): record for file, record in side.files.items()}
    if not found:
        raise UsageError("no record is named")
    return found


def _left_out(record: "Record") -> str:
    """Say why a record counts in no row."""
    if record["status"] != "done":
        return f"it is {record['status']}: only runs that are done leave a network"
    return "a newer run of its row, or of its seed, counts on the board"


@contextmanager
def _bar(total: float) -> Iterator[tuple[Callable[[str], object], Callable[[float], object]]]:
    """Show progress over passes, on a terminal; gives what takes a title, and what takes passes."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda title: say(f"measuring {title}"), lambda passes: None
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>5.1f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("", total=total)
        yield (
            lambda title: bars.update(bar, description=printable(title).replace("[", r"\[")),
            lambda passes: bars.advance(bar, passes),
        )


def _print(runs: "Sequence[OfRun]") -> None:
    from harness.cli import layout

    if runs:
        print(layout.many([_cells(run.record, run.group or {}) for run in runs], layout.width()))


def _cells(record: "Record", group: "dict[str, Any]") -> dict[str, str]:
    under = group.get("corruptions")
    return {
        "method": record["method"],
        "task": f"{record['dataset']}/{record['model']}",
        "sparsity": f"{record['sparsity']:g}",
        "seed": str(record["seed"]),
        "test top-1": f"{record['metrics']['test_accuracy']:.2%}",  # only classifications are measured
        "calibration error": f"{group['ece']:.2%}",
        "Brier": f"{group['brier']:.4f}",
        "under corruptions": "-" if under is None else f"{under['mean']:.2%}",
    }


def _together(found: "OfRow") -> None:
    if found.ensemble is None or found.agreement is None:
        return
    row, (accuracy, (ece, brier)) = found.row, found.ensemble
    tested = f"the test {metrics.samples(row.example['config'].get('dataset') or {})}"
    count = sum(run.group is not None for run in found.runs)
    print(
        f"{printable(row.method)} {row.sparsity:g}: {count} seeds agree on {found.agreement:.2%} of {tested}; "
        f"their ensemble has {accuracy:.2%}, calibration error {ece:.2%}, Brier {brier:.4f}"
    )
