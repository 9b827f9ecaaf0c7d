"""The King James Bible as Debian's package bible-kjv prints it, a verse a line: 4.4 MB of English."""

import re
import shutil
import subprocess
from pathlib import Path

from harness.errors import UsageError
from harness.records.store import write_atomic
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import register
from harness.tasks.data.sets.text import windows

_FILE = "bible.txt"
_PRINTED = ("bible", "-f", "gen1:1-rev22:21")
_CHAPTERS, _VERSES = 1189, 31_102
_VERSE = re.compile(rb"(\w+):\d+ ")


def _fetch(place: Path) -> None:
    """Have the program print the text, which takes a tenth of a second and no network.

    Raises:
        OSError: It is not installed, or prints something else.
    """
    if shutil.which(_PRINTED[0]) is None:
        raise OSError(f"the program {_PRINTED[0]} is not installed")
    done = subprocess.run(_PRINTED, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode or _chapters(done.stdout) is None:
        raise OSError(f"`{' '.join(_PRINTED)}` does not print the text; it ends with {done.returncode}")
    write_atomic(place / _FILE, done.stdout.decode("ascii"))


LAYOUT = Layout(
    markers=(_FILE,),
    remedy=f"install Debian's package bible-kjv, or put what `{' '.join(_PRINTED)}` prints there as {_FILE}",
    fetch=_fetch,
)


@register("bible", layout=LAYOUT)
def bible(config: Config) -> Arrays:
    """Read the text; a chapter is a piece.

    Raises:
        UsageError: The file is not what the program prints.
    """
    path = LAYOUT.find(config) / _FILE
    chapters = _chapters(windows.read([(_FILE, path)])[_FILE])
    if chapters is None:
        raise UsageError(f"{path} is not what `{' '.join(_PRINTED)}` prints: {_VERSES:,} lines, a verse each")
    return windows.arrays(config, chapters, path)


def _chapters(text: bytes) -> dict[str, bytes] | None:
    """Return the lines of each chapter by its name; None if they are not those of the whole text."""
    found: dict[str, list[bytes]] = {}
    lines = text.splitlines(keepends=True)
    for line in lines:
        verse = _VERSE.match(line)
        if verse is None:
            return None
        found.setdefault(verse[1].decode(), []).append(line)
    if not text.isascii() or (len(lines), len(found)) != (_VERSES, _CHAPTERS):
        return None
    return {name: b"".join(verses) for name, verses in found.items()}
