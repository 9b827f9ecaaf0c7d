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
        OSError: It is not installed, or fails.
    """
    if shutil.which(_PRINTED[0]) is None:
        raise OSError(f"the program {_PRINTED[0]} is not installed")
    try:
        text = subprocess.run(_PRINTED, check=True, capture_output=True, timeout=60, encoding="ascii").stdout
    except (subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise OSError(f"{' '.join(_PRINTED)}: {error}") from None
    write_atomic(place / _FILE, text)


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
    chapters: dict[str, list[bytes]] = {}
    lines = windows.read([(_FILE, path)])[_FILE].splitlines(keepends=True)
    for line in lines:
        if (verse := _VERSE.match(line)) is not None:
            chapters.setdefault(verse[1].decode(), []).append(line)
    verses = sum(map(len, chapters.values()))
    if (len(lines), verses, len(chapters)) != (_VERSES, _VERSES, _CHAPTERS):
        raise UsageError(
            f"{path} is not what `{' '.join(_PRINTED)}` prints: it has {len(lines):,} lines and {len(chapters):,} "
            f"chapters, not {_VERSES:,} and {_CHAPTERS:,}"
        )
    return windows.arrays(config, {name: b"".join(of) for name, of in chapters.items()}, path)
