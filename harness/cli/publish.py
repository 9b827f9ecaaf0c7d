"""``sparsebench publish``: records, networks and board for others, in a folder or on the Hugging Face Hub."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness import extras
from harness.cli import layout
from harness.cli.arguments import DONE, output
from harness.console import say, shown
from harness.errors import UsageError, short

if TYPE_CHECKING:
    from harness.publish.contents import Contents
    from harness.publish.folder import Publication


STAGED = "published"
"""The folder of an output whose content is uploaded."""

_HUB = re.compile(r"hub:([\w.-]+/[\w.-]+)")


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument(
        "--to",
        required=True,
        metavar="FOLDER|hub:USER/NAME",
        help=f"a folder, or a data set on the Hub, which OUTPUT/{STAGED} is uploaded to",
    )
    command.add_argument("--without-networks", action="store_true", help="leave out the trained networks")
    command.add_argument("--private", action="store_true", help="make a new data set on the Hub private")
    command.add_argument("overrides", nargs="*", metavar="output=DIR", help="folder of records/ and networks/")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    place, repository = output(given.overrides), _repository(given.to)
    if not (place / "records").is_dir():
        raise UsageError(f"no records: {place / 'records'} is not a folder; output=DIR names the one that holds it")
    extras.require("pyarrow")
    if repository:
        extras.require("huggingface_hub")
    elif given.private:
        raise UsageError("--private is for the Hub: --to hub:USER/NAME")
    contents, publication = _write(given, place, place / STAGED if repository else Path(given.to), repository)
    _report(contents, publication)
    if repository:
        from harness.publish import hub

        print(f"uploaded to {hub.upload(publication.folder, repository, private=given.private)}")
    return DONE


def _write(
    given: argparse.Namespace, place: Path, folder: Path, repository: str | None
) -> "tuple[Contents, Publication]":
    """Gather and write what is published, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    from harness.publish import contents
    from harness.publish import folder as folders

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("checking records", total=None)
        gathered = contents.gather(place, networks=not given.without_networks)
        bars.update(bar, description="writing", total=len(gathered.records) + len(gathered.networks))
        written = folders.write(gathered, folder, repository=repository, tell=lambda: bars.advance(bar))
    return gathered, written


def _report(contents: "Contents", publication: "Publication") -> None:
    for problem in contents.left_out:
        say(f"left out: {problem.file}: {problem.reason}")
    records, networks = contents.records, contents.networks.values()
    done, verified, refused = contents.counted()
    print(f"{_count(len(records), 'run')}: {done:,} done, {verified:,} of them verified; check refuses {refused:,}")
    print(f"{_count(len(networks), 'network')}, {layout.megabytes(sum(path.stat().st_size for path in networks))}")
    print(
        f"wrote {shown(publication.folder)}: {_count(len(publication.sizes), 'file')}, "
        f"{layout.megabytes(sum(publication.sizes.values()))}; "
        f"{publication.changed:,} new or changed, {publication.removed:,} removed"
    )


def _repository(to: str) -> str | None:
    """Return the data set on the Hub that a destination names; None for a folder.

    Raises:
        UsageError: It begins like one, and is none.
    """
    if to == "hub" or to.startswith("hub:"):
        found = _HUB.fullmatch(to)
        if found is None:
            raise UsageError(f"--to {short(to)}: write hub:USER/NAME, for example hub:me/sparse-results")
        return found[1]
    if not to:
        raise UsageError("--to is empty: name a folder or hub:USER/NAME")
    return None


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
