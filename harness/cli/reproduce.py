"""``sparsebench reproduce``: trains the missing runs of a paper's table, with a verdict on each row."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from harness.cli import layout, limits, suite
from harness.cli.arguments import DONE, FAILED, OVERRIDES, jobs_anywhere, output
from harness.console import say, shown
from harness.errors import UsageError
from harness.places import ROOT

if TYPE_CHECKING:
    from harness.reproduce import Result

FOLDER = Path("results/papers")
"""Where runs are unless ``output=`` says otherwise: apart from the board, whose rows they are not. What is written of
them then lies beside the board."""


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument(
        "paper",
        nargs="?",
        default="",
        metavar="PAPER",
        help="name of a file in suite/papers; may be left out with --no-train",
    )
    command.add_argument(
        "overrides",
        nargs="*",
        metavar="OVERRIDE",
        help=f"{OVERRIDES}; of an axis of its grid, as in sparsity=0.99, it chooses rows; {limits.HELP}",
    )
    command.add_argument("--no-train", dest="train", action="store_false", help="judge by the records that there are")
    command.add_argument(
        "--executor", default="local", metavar="NAME", help="where its runs are trained: see sparsebench suite --help"
    )
    command.add_argument("--jobs", type=jobs_anywhere, default=0, metavar="N", help="runs at a time, or auto")
    command.set_defaults(until=None, detach=False, wait=True)


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness import reproduce

    if "=" in given.paper:
        raise UsageError(f"{given.paper} is not a paper: write sparsebench reproduce PAPER {given.paper}")
    if not given.paper and not given.train and not given.overrides:
        return _summary()
    if not any(each.startswith("output=") for each in given.overrides):
        given.overrides = [*given.overrides, f"output={FOLDER}"]
    _, overrides = limits.read(given.overrides, wait=True)
    of_runs = [each for each in overrides if not each.startswith(("executor.", "output="))]
    folder = output([each for each in overrides if each.startswith("output=")])
    # what is wrong in its file, or with the folder, is said before anything is trained
    reproduce.require(given.paper)
    _require_writable(_beside(folder))
    status = DONE
    if given.train:
        given.suite = given.paper
        status = suite.call(given)
    result = reproduce.of(given.paper, of_runs, folder / "records")
    _print(result)
    # judging takes a second; with overrides the table printed is another than the file's
    _write(_all(folder, None if of_runs else result), _beside(folder))
    return FAILED if status == FAILED else DONE


def _summary() -> int:
    """Print and write what there is of all papers."""
    from harness.reproduce import sheets

    results = _all(FOLDER)
    print(sheets.summary([result for result in results if result.run]))
    _write(results, _beside(FOLDER))
    return DONE


def _beside(folder: Path) -> Path:
    """Return where the tables of the runs of a folder are written."""
    return FOLDER.parent if folder == FOLDER else folder


def _require_writable(folder: Path) -> None:
    """Make sure that files can be written into a folder.

    Raises:
        UsageError: They cannot.
    """
    from harness.reproduce.sheets import FILES

    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _unwritable(folder, error) from None
    if taken := next((name for name in FILES if (folder / name).is_dir()), None):
        raise UsageError(f"cannot write the reproductions: {shown(folder / taken)} is a folder")


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot write the reproductions to {folder}: {error.strerror}")


def _write(results: "Sequence[Result]", folder: Path) -> None:
    from harness import reproduce

    own = folder.resolve() == (ROOT / "results").resolve()
    try:
        written = reproduce.write(results, folder, ROOT / "README.md" if own else None)
    except OSError as error:
        raise _unwritable(folder, error) from None
    for path in written:
        print(f"wrote {shown(path)}")


def _print(result: "Result") -> None:
    from harness.reproduce import sheets

    print("\n".join(line for line in sheets.told(result)[:-1] if line))
    print()
    print(layout.many([sheets.cells(row) for row in result.rows], layout.width()))
    if ordered := sheets.orderings(result):
        print()
        print(layout.many(ordered, layout.width()))
    print()
    print(sheets.told(result)[-1])


def _all(folder: Path, known: "Result | None" = None) -> "Sequence[Result]":
    """Judge every paper by the records of a folder; of one whose file is wrong, or a plug-in is missing, say so.

    Args:
        folder: With the ``records``.
        known: A paper's table that is judged already, whole.
    """
    from harness import reproduce

    found = []
    for name in reproduce.recorded(folder / "records"):
        try:
            judged = known if known is not None and known.paper.name == name else None
            result = judged or reproduce.of(name, [], folder / "records")
            if result.left_out and not result.run:  # it is in none of the files, which would say so
                say(f"left out of the reproductions: {name}: {result.left_out}")
            found.append(result)
        except UsageError as error:
            say(f"left out of the reproductions: {name}: {error}")
    return found
