"""Any folder of text files, ``*.txt``, at any depth: what is in it decides how many windows there are."""

from collections import Counter
from pathlib import Path

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import register
from harness.tasks.data.sets.text import windows

LAYOUT = Layout(markers=(".",), remedy="pass dataset.root=DIR, a folder of .txt files")

_SUFFIX = ".txt"


def _counts(config: Config) -> dict[str, int]:
    """Return the counts that follow from the folder, by the names they have in a config.

    Args:
        config: ``name``, ``root``, ``download`` and ``shape``.

    Raises:
        UsageError: See `text_folder`.
    """
    place = _folder(config)
    found = windows.counts(config, _pieces(place)[0])
    if empty := [field for field, count in found.items() if not count]:
        raise UsageError(
            f"{place}: too little text for {', '.join(empty)}: no window of {config['shape'][0] + 1} bytes"
        )
    return found


def _notes(config: Config) -> list[str]:
    """Say which files are left out: copies of others, and files of other kinds."""
    place = _folder(config)
    copies, skipped = _pieces(place)[1], _skipped(place)
    if copies:
        skipped.insert(0, f"copies of other files, such as {copies[0]}: {len(copies):,}")
    return [f"{place}: only *{_SUFFIX} are read, each text once; skipped: {', '.join(skipped)}"] if skipped else []


@register("text_folder", layout=LAYOUT, counts=_counts, notes=_notes)
def text_folder(config: Config) -> Arrays:
    """Read the files.

    Raises:
        UsageError: There are none, one cannot be read, or there are too few bytes.
    """
    place = _folder(config)
    return windows.arrays(config, _pieces(place)[0], place)


def _folder(config: Config) -> Path:
    """Return the folder of the texts.

    Raises:
        UsageError: It is missing, or a file.
    """
    place = LAYOUT.find(config)
    if not place.is_dir():
        raise UsageError(f"{place} is a file, and text_folder reads *{_SUFFIX} in a folder; {LAYOUT.remedy}")
    return place


def _skipped(place: Path) -> list[str]:
    """Return how many files of each other kind there are, the most frequent kind first."""
    kinds = Counter(
        path.suffix or "no suffix" for path in place.rglob("*") if path.suffix != _SUFFIX and path.is_file()
    )
    return [f"{kind}: {count:,}" for kind, count in kinds.most_common()]


def _pieces(place: Path) -> tuple[dict[str, bytes], list[str]]:
    """Return the texts by name, and the names of files left out since an earlier one has the same bytes.

    A copy might be in another part than its original: the test would then be of what was trained on.
    """
    files = sorted(path for path in place.rglob(f"*{_SUFFIX}") if path.is_file())
    found = windows.read((path.relative_to(place).as_posix(), path) for path in files)
    first: dict[bytes, str] = {}
    copies = [name for name, text in found.items() if text and first.setdefault(text, name) != name]
    texts = {name: text for name, text in found.items() if not text or first[text] == name}
    if not any(texts.values()):
        there = f"{len(files):,} found, all empty" if files else "none found"
        raise UsageError(
            f"{place} has no text: only *{_SUFFIX} (lower case) are read, at any depth, {there}; skipped: "
            f"{', '.join(_skipped(place)) or 'no other files'}"
        )
    return texts, copies
