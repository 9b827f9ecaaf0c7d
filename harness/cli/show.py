"""``sparsebench show``: a run on one page."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.arguments import DONE, output
from harness.console import shown
from harness.errors import UsageError, short

if TYPE_CHECKING:
    from harness.reports.page import Page


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("record", metavar="RECORD", help="a file, a key, or the beginning of a record's name")
    html_argument(command)
    command.add_argument("overrides", nargs="*", metavar="output=DIR", help="folder of records/")


def html_argument(command: argparse.ArgumentParser) -> None:
    """Declare ``--html``."""
    command.add_argument("--html", type=Path, metavar="FILE", help="write the page as HTML instead of printing it")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.reports import find, run

    path, record = find.one(given.record, output(given.overrides))
    return deliver(run.page(path, record), given.html)


def deliver(page: "Page", file: Path | None) -> int:
    """Print a page, or write it as HTML, and return the exit status.

    Raises:
        UsageError: The file does not end with ``.html``, so that it may be something else's, or is a folder.
    """
    if file is None:
        from harness.reports import terminal

        print(terminal.show(page), end="")
        return DONE
    from harness.records import write_atomic
    from harness.reports import html

    if file.suffix not in (".html", ".htm") or file.is_dir():
        raise UsageError(f"--html {short(file)}: name a file that ends with .html")
    write_atomic(file, html.page(page))
    print(f"wrote {shown(file)}")
    return DONE
