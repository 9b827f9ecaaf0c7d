"""``sparsebench deploy``: measured latency and size of kept networks."""

import argparse
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import layout
from harness.cli.arguments import DONE, FAILED, output
from harness.cli.show import deliver, html_argument
from harness.console import say, shown
from harness.errors import UsageError, short
from harness.records.deployment_schema import LEAST_REPEATS, MOST_REPEATS, PRECISIONS

if TYPE_CHECKING:
    from harness.deploy.conditions import Conditions
    from harness.deploy.network import Tell
    from harness.records.deployments import Deployment


_ENDING = ".safetensors"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument(
        "networks",
        nargs="+",
        metavar="RECORD|NETWORK",
        help="a record's file, key or beginning of name, or a .safetensors file; output=DIR among them names the "
        "folder of records/, networks/ and deploy/",
    )
    command.add_argument("--threads", type=_threads, metavar="N", help="of the processor (default: as torch has it)")
    command.add_argument("--repeats", type=_repeats, metavar="N", default=21, help="samples (default 21)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    command.add_argument("--precision", choices=PRECISIONS, default="float32", help="default: float32")
    command.add_argument("--model", metavar="PLUGIN", help="where the model comes from, path/file.py:function")
    html_argument(command)


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    folders = [text for text in given.networks if text.startswith("output=")]
    named = [text for text in given.networks if text not in folders]
    if not named:
        raise UsageError("deploy needs a record or a network: sparsebench deploy results/networks/KEY.safetensors")
    if len(named) > 1 and given.html is not None:
        raise UsageError(f"--html is for one network, and {len(named)} are named")
    place = output(folders) if folders else None
    subjects = [_subject(text, place) for text in named]
    from harness.deploy.conditions import Conditions

    threads = {} if given.threads is None else {"threads": given.threads}
    on = Conditions(given.device, given.precision, repeats=given.repeats, **threads)
    if len(subjects) == 1:
        return _one(*subjects[0], on, given)
    return _several(subjects, on, given)


def _one(network: Path, place: Path, on: "Conditions", given: argparse.Namespace) -> int:
    from harness.reports import deployment as report

    made, path = _measured(network, place, on, given.model)
    status = deliver(report.page(made), given.html)
    print(f"wrote {shown(path)}")
    return status


def _several(subjects: list[tuple[Path, Path]], on: "Conditions", given: argparse.Namespace) -> int:
    """Measure one network after the other, and print a line for each."""
    from harness.reports import deployment as report

    rows, failed = [], 0
    for network, place in subjects:
        try:
            rows.append(report.row(_measured(network, place, on, given.model)[0]))
        except UsageError as error:
            failed += 1
            say(f"sparsebench: {error}")
    if rows:
        print(layout.many(rows, layout.width()))
    return FAILED if failed else DONE


def _measured(network: Path, place: Path, on: "Conditions", model: str | None) -> tuple["Deployment", Path]:
    from harness.deploy.network import deploy
    from harness.machine.allocator import keep_freed_memory
    from harness.records import deployments

    keep_freed_memory()  # or pages that the kernel zeroes anew would be measured as well, most of them dense
    with _progress(network) as tell:
        made = deploy(network, model, on, tell)
    try:
        return made, deployments.write(made, place)
    except deployments.RecordError as error:
        raise UsageError(f"{short(network)}: its metadata are not those of a run: {error}") from None


def _subject(text: str, place: Path | None) -> tuple[Path, Path]:
    """Return the file of a network, and the output that its deployment goes to.

    Without ``output=DIR`` that is where the record or network lies, or ``results``.

    Raises:
        UsageError: There is no such network, or it is not the one that the record names.
    """
    if text.endswith(_ENDING):
        network = Path(text)
        if not network.is_file():
            raise UsageError(f"no file {short(text)}: give a kept network, or a record's file, key or name")
        return network, place or _output_of(network, "networks")
    from harness.networks import keep
    from harness.reports import find

    path, record = find.one(text, place or Path("results"))
    if record["status"] != "done":
        raise UsageError(f"{short(path)} is {record['status']}: only a run that is done leaves a network")
    own = _output_of(path, "records")
    network = keep.path_of(own, record["key"])
    if not network.is_file():
        raise UsageError(
            f"{short(path)}: its network is not at {shown(network)}: the run had keep=none, or was made elsewhere, or "
            f"the network was pruned"
        )
    try:
        seal = keep.seal(keep.read(network))
    except (OSError, ValueError) as error:
        raise UsageError(f"{short(network)} cannot be read: {error}") from None
    if record.get("network") != seal._asdict():
        raise UsageError(f"{shown(network)} is not the network that {short(path)} names: its size or its hash differs")
    return network, place or own


def _output_of(path: Path, folder: str) -> Path:
    return path.resolve().parent.parent if path.resolve().parent.name == folder else Path("results")


@contextmanager
def _progress(network: Path) -> Iterator["Tell"]:
    """Show a bar on stderr while a network is measured; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns: list[Any] = [TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(network.name, total=1.0)
        yield lambda what, share: bars.update(bar, description=f"{network.stem}: {what}", completed=share)


def _threads(text: str) -> int:
    most = os.cpu_count() or 1
    return _number(text, "threads", 1, most)


def _repeats(text: str) -> int:
    return _number(text, "repeats", LEAST_REPEATS, MOST_REPEATS)


def _number(text: str, what: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a number of {what} in {least}...{most}")
    return int(text)
