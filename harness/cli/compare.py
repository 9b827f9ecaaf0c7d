"""``sparsebench compare``: two runs or rows side by side, paired by seed."""

import argparse

from harness.cli.arguments import output
from harness.cli.show import deliver, html_argument
from harness.errors import UsageError, short

_SIDE = "a record's file, key or beginning of name; a folder; a glob; or a selector, 'method=rigl sparsity=0.9'"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("first", metavar="A", help=_SIDE)
    command.add_argument("second", metavar="B", help="likewise")
    html_argument(command)
    command.add_argument("overrides", nargs="*", metavar="output=DIR", help="folder of records/")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    for extra in given.overrides:
        if not extra.startswith("output="):
            raise UsageError(
                f"{short(extra)} is not output=DIR: A and B are one argument each, 'method=rigl sparsity=0.9' in quotes"
            )
    folder = output(given.overrides)
    from harness.reports import comparison, sides

    page = comparison.page(*(sides.read(*side, folder) for side in (("A", given.first), ("B", given.second))))
    return deliver(page, given.html)
