"""Whether image files can be served: looked at before anything is trained, since a run may reach one only at its end.

The quick look reads the first and last bytes of a JPEG, which tell a truncated or overwritten file, and the header of
anything else; a file that looks odd is decoded. A file that is damaged in its middle is found by decoding alone
(``sparsebench doctor data --full``).
"""

import os
from collections.abc import Iterator

from PIL import Image

from harness.errors import UsageError
from harness.tasks.data.contents import ImageList, ImageTree
from harness.tasks.data.files.colours import UNREADABLE, decoded, reason

_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def fault(path: str) -> str | None:
    """Return why a file cannot be served as far as a quick look tells; None if it looks whole."""
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(len(_PNG))
            file.seek(-min(len(_PNG_END), os.fstat(file.fileno()).st_size), os.SEEK_END)
            tail = file.read(len(_PNG_END))
    except OSError as error:
        return reason(error)
    if head.startswith(_JPEG) and tail.endswith(_JPEG_END):
        return None
    if head == _PNG and tail == _PNG_END:
        try:
            with Image.open(path):
                return None
        except UNREADABLE as error:
            return reason(error)
    return full_fault(path)


def full_fault(path: str) -> str | None:
    """Return why a file cannot be decoded; None if it can."""
    try:
        decoded(path)
    except UNREADABLE as error:
        return reason(error)
    return None


def paths(images: ImageList) -> Iterator[str]:
    """Yield where each file is."""
    root = os.fsencode(images.folder)
    for path in images.paths:
        yield os.fsdecode(os.path.join(root, path))


def check(tree: ImageTree) -> None:
    """Look at every file quickly: some 25 microseconds for each that the system has in memory.

    Raises:
        UsageError: A file cannot be served; the message names the first and counts the others.
    """
    found = ((path, fault(path)) for part in (tree.train, tree.test) for path in paths(part))
    broken = [(path, why) for path, why in found if why is not None]
    if broken:
        path, why = broken[0]
        more = f" (and {len(broken) - 1:,} more: sparsebench doctor data names them)" if len(broken) > 1 else ""
        raise UsageError(f"cannot read the image {path}: {why}{more}")
