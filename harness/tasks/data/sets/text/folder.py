"""Any folder of text files, ``*.txt``, at any depth: what is in it decides how many windows there are."""

from pathlib import Path

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import register
from harness.tasks.data.sets.text import windows

LAYOUT = Layout(markers=(".",), remedy="pass dataset.root=DIR, a folder of .txt files")


def _counts(config: Config) -> dict[str, int]:
    """Return the counts that follow from the folder, by the names they have in a config.

    Args:
        config: ``name``, ``root``, ``download`` and ``shape``.

    Raises:
        UsageError: See `text_folder`.
    """
    place = LAYOUT.find(config)
    found = windows.counts(config, _pieces(place))
    if empty := [field for field, count in found.items() if not count]:
        raise UsageError(
            f"{place}: too little text for {', '.join(empty)}: no window of {config['shape'][0] + 1} bytes"
        )
    return found


@register("text_folder", layout=LAYOUT, counts=_counts)
def text_folder(config: Config) -> Arrays:
    """Read the files.

    Raises:
        UsageError: There are none, one cannot be read, or there are too few bytes.
    """
    place = LAYOUT.find(config)
    return windows.arrays(config, _pieces(place), place)


def _pieces(place: Path) -> dict[str, bytes]:
    files = sorted(path for path in place.rglob("*.txt") if path.is_file())
    texts = windows.read((path.relative_to(place).as_posix(), path) for path in files)
    if not any(texts.values()):
        raise UsageError(f"{place} has no text in .txt files")
    return texts
