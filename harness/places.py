"""Locations of the project's own files, and of those that belong to its user."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the packages: a checkout, or site-packages."""
_PACKED = ROOT / "sparsebench" / "project"
INSTALLED = _PACKED.is_dir()
"""Whether this is an installed package, with no checkout around it."""
PROJECT = _PACKED if INSTALLED else ROOT
"""The folder that holds ``benchmarks``, ``docker`` and ``results/reference``."""
TREE = PROJECT / "benchmarks"
"""The Hydra tree."""

OwnFiles = tuple[tuple[str, int, int], ...]
"""Path, time of change and size of each settings file of the current folder."""

_GROUPS = ("dataset", "model", "recipe", "runner", "suite", "suite/papers", "tuning", "executor")
"""Folders of settings files, each found by its name."""


def settings_files(group: str, own: OwnFiles | None = None) -> dict[str, Path]:
    """Return the settings files of a group by name.

    A file in ``./benchmarks/GROUP`` of the current folder comes before the project's of the same name.

    Args:
        group: ``dataset``, ``model``, ``recipe``, ``runner``, ``suite``, ``suite/papers``, ``tuning`` or ``executor``.
        own: What `own_settings` has returned; None to look now.
    """
    return dict(_files(group, own_settings() if own is None else own))


def own_settings() -> OwnFiles:
    """Return the state of the settings files in ``./benchmarks``; empty where these are the project's or missing."""
    own = _own()
    if own is None:
        return ()
    return tuple(state for group in _GROUPS for state in sorted(_states(os.path.join(own, group))))


@contextmanager
def tree(own: OwnFiles) -> Iterator[Path]:
    """Give a folder with the project's settings, in which files of `own_settings` replace those of the same name."""
    if not own:
        yield TREE
        return
    with TemporaryDirectory(prefix="sparsebench-") as folder:
        merged = Path(folder)
        (merged / "config.yaml").symlink_to(TREE / "config.yaml")
        for group in _GROUPS:
            (merged / group).mkdir()
            for name, path in settings_files(group, own).items():
                (merged / group / f"{name}.yaml").symlink_to(path.resolve())
        yield merged


@lru_cache(maxsize=256)
def _files(group: str, own: OwnFiles) -> tuple[tuple[str, Path], ...]:
    found = {path.stem: path for path in sorted((TREE / group).glob("*.yaml"))}
    place = Path("benchmarks", group).parts
    found |= {path.stem: path for path in (Path(text) for text, *_ in own) if path.parent.parts[-len(place) :] == place}
    return tuple(sorted(found.items()))


def _states(folder: str) -> Iterator[tuple[str, int, int]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".yaml") and not entry.name.startswith(".") and entry.is_file():
                    state = entry.stat()
                    yield entry.path, state.st_mtime_ns, state.st_size
    except OSError:  # there is no such folder, or what is in it goes away
        return


def _own() -> str | None:
    """Return ``./benchmarks``; None if there is no such folder, or it is the project's."""
    try:
        own = os.path.join(os.getcwd(), "benchmarks")
    except FileNotFoundError:  # the current folder was removed
        return None
    if own == str(TREE) or not os.path.isdir(own) or os.path.realpath(own) == str(TREE):
        return None
    return own


def cache() -> Path:
    """Return the folder for downloaded data and packages: ``~/.cache/sparsebench`` on Linux, or as the system has it.

    On Linux ``XDG_CACHE_HOME`` moves it.
    """
    import platformdirs

    return platformdirs.user_cache_path("sparsebench", appauthor=False)
