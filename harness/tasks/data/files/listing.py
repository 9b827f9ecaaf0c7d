"""The image files of a folder laid out as ``train/CLASS/*`` and ``val/CLASS/*``: which are listed, and which not.

Listed are regular files whose names end in `SUFFIXES`, at any depth below a class folder. Not listed, but counted, so
that nothing is dropped without a word: files of other kinds, images outside of class folders, and what operating
systems and tools leave behind (`is_system`).
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.errors import UsageError
from harness.tasks.data.contents import ImageList, ImageTree

SUFFIXES = (".jpeg", ".jpg", ".png")

_SYSTEM = frozenset(
    (
        *("__macosx", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "system volume information"),
        *("lost+found", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
    )
)
HIDDEN = "hidden or system"
OUTSIDE = "outside of class folders"
SPECIAL = "not a regular file"
LOOP = "a link to a folder above"
_Place = tuple[int, int]  # what tells one folder from every other, by whatever links it is reached
_ELSEWHERE = ("test", "valid", "validation")  # where others keep what is `val` here


def is_system(name: str) -> bool:
    """Say whether a name is one that a system or a tool made: hidden, ``@eaDir``, ``__MACOSX``, ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in _SYSTEM


def kind(name: str) -> str:
    """Return the kind of a file that is not listed: its suffix."""
    return os.path.splitext(name)[1].lower() or "without a suffix"


def tree(folder: Path) -> ImageTree:
    """List a folder with ``train`` and ``val``.

    Raises:
        UsageError: It is laid out in another way; the message says how it looks.
    """
    skipped: Counter[str] = Counter()
    try:
        classes = {part: _classes(folder / part, skipped) for part in ("train", "val")}
        if classes["train"] != classes["val"]:
            raise UsageError(f"{folder}: train and val need the same class folders, but {_unequal(classes)}")
        train, val = (_list(folder / part, classes["train"], skipped) for part in classes)
    except OSError as error:
        raise UsageError(f"cannot list the images in {folder}: {error}") from error
    return ImageTree(train, val, tuple(classes["train"]), dict(sorted(skipped.items())))


def skipped_in_words(images: ImageTree) -> str:
    """Return what was not listed, with numbers, in one line; nothing if all was."""
    return ", ".join(f"{number:,} {what}" for what, number in images.skipped.items())


def _classes(folder: Path, skipped: Counter[str]) -> list[str]:
    """Return the class folders, sorted; refuse a folder that has none."""
    if not folder.is_dir():
        there = next((name for name in _ELSEWHERE if (folder.parent / name).is_dir()), None)
        hint = f"; there is a folder {there}" if there and folder.name == "val" else ""
        raise UsageError(f"{folder} is missing: images are expected in {folder}/CLASS/*.JPEG{hint}")
    found: list[str] = []
    loose: Counter[str] = Counter()
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_system(entry.name):
                loose[HIDDEN] += 1
            elif entry.is_dir():
                found.append(entry.name)
            else:
                loose[OUTSIDE if _is_image(entry.name) else kind(entry.name)] += 1
    if not found and loose[OUTSIDE]:
        raise UsageError(
            f"{folder} holds {loose[OUTSIDE]:,} images but no class folders: sort them into {folder}/CLASS/, "
            "as docs/data.md says for ImageNet's validation images"
        )
    if not found:
        raise UsageError(f"{folder} holds no class folder: images are expected in {folder}/CLASS/*.JPEG")
    skipped.update(loose)
    return sorted(found)


def _list(folder: Path, classes: list[str], skipped: Counter[str]) -> ImageList:
    above = (_identity(folder.parent), _identity(folder))
    paths: list[bytes] = []
    sizes: list[int] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        inside: Counter[str] = Counter()
        found = sorted(_below(str(folder / name), inside, above))
        if not found:
            others = ", ".join(f"{number} {what}" for what, number in sorted(inside.items()))
            raise UsageError(
                f"{folder / name} holds no image ({', '.join(SUFFIXES)})" + (f", but {others}" if others else "")
            )
        skipped.update(inside)
        paths += [os.fsencode(os.path.relpath(path, folder)) for path, _ in found]
        sizes += [size for _, size in found]
        labels += [label] * len(found)
    return ImageList(folder, np.array(paths), np.array(sizes, dtype=np.int64), np.array(labels, dtype=np.int64))


def _below(folder: str, skipped: Counter[str], above: tuple[_Place, ...]) -> Iterator[tuple[str, int]]:
    """Yield path and size in bytes of every image below a folder; ``above`` are the folders that lead to it."""
    here = _identity(folder)
    if here in above:
        skipped[LOOP] += 1
        return
    above = (*above, here)
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_system(entry.name):
                skipped[HIDDEN] += 1
            elif entry.is_dir():
                yield from _below(entry.path, skipped, above)
            elif not _is_image(entry.name):
                skipped[kind(entry.name)] += 1
            else:
                what = entry.stat()
                if stat.S_ISREG(what.st_mode):
                    yield entry.path, what.st_size
                else:
                    skipped[SPECIAL] += 1


def _identity(folder: str | Path) -> _Place:
    what = os.stat(folder)
    return what.st_dev, what.st_ino


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _unequal(classes: dict[str, list[str]]) -> str:
    """Say which class folders only one part has."""
    train, val = set(classes["train"]), set(classes["val"])
    only = sorted(train ^ val)
    where = "train" if only[0] in train else "val"
    more = f" ({len(only)} folders are in one of them only)" if len(only) > 1 else ""
    return f"{only[0]} is only in {where}{more}"
