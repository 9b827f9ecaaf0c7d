"""Locations of the project's own files, and of those that it keeps for its user."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "benchmarks"
"""The Hydra tree."""


def cache() -> Path:
    """Return the folder for downloaded data and packages: ``~/.cache/sparsebench`` on Linux, or as the system has it.

    On Linux ``XDG_CACHE_HOME`` moves it.
    """
    import platformdirs

    return platformdirs.user_cache_path("sparsebench", appauthor=False)
