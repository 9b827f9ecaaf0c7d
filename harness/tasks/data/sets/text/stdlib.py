"""The sources and documents of the standard library of the Python that runs this: a text that needs no download.

It differs from one release of Python to the next, and a little between builds of the same release, so that its
fingerprint says which one a run was trained on, and runs are compared within one alone.
"""

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import register
from harness.tasks.data.sets.text import windows

_SUFFIXES = (".py", ".rst", ".txt")
_LEFT_OUT = frozenset(("site-packages", "dist-packages", "test", "tests", "idle_test", "encodings", "__pycache__"))
"""Installed packages; tests, which some distributions install apart; and tables of characters."""
_OF_THE_BUILD = ("config-", "_sysconfigdata", "sitecustomize.py")
"""How names of what describes one build or one machine begin."""

LAYOUT = Layout(
    markers=("this.py",),
    remedy="pass dataset.root=DIR, the folder that sysconfig.get_path('stdlib') names in some Python",
    system=(sysconfig.get_path("stdlib"),),
)


@register("stdlib_text", layout=LAYOUT)
def stdlib_text(config: Config) -> Arrays:
    """Read the files in the order of their names.

    Raises:
        UsageError: There are fewer bytes than the settings ask for, or a file cannot be read.
    """
    place = LAYOUT.find(config)
    return windows.arrays(config, windows.read(_files(place)), place)


def _files(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield names and paths of the files that are read.

    Links are left out: in a container, where this folder alone is seen, they may lead nowhere.
    """

    def refuse(error: OSError) -> None:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}") from None

    for folder, folders, files in os.walk(place, onerror=refuse):
        folders[:] = [name for name in folders if name not in _LEFT_OUT and not name.startswith(_OF_THE_BUILD)]
        for name in files:
            path = Path(folder, name)
            if name.endswith(_SUFFIXES) and not name.startswith(_OF_THE_BUILD) and not path.is_symlink():
                yield path.relative_to(place).as_posix(), path
