"""Tells from content alone, without computing the board, whether it is up to date.

Each board leaves a stamp alongside it: a digest of all that it was made from and of the files that were written.
Times of files are not used: a clone or a copy changes them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.board import standing
from harness.board.reference import REFERENCE
from harness.places import ROOT
from harness.records import deployments, reliability
from harness.records.folder import record_paths

NAME = ".leaderboard.stamp"

_SOURCES = ("board", "budget", "records", "vocabulary.py")
"""What decides a board, in `harness`."""

_LIBRARIES = ("scipy", "tabulate", "vl-convert-python")


def inputs(records_dir: Path | str) -> str:
    """Return a digest of all that decides a board.

    That is the records, the cells of the standing, published numbers, methods, this code and libraries.
    """
    from methods import methods

    digest = hashlib.sha256()
    for path in (*_sources(), *sorted(REFERENCE.glob("*"))):
        digest.update(f"{path.name}\0{_content(path)}\n".encode(errors="surrogateescape"))
    # with their defaults, which tell a method's own row from its variants
    about = {name: [made.summary, made.paper, repr(made.look), repr(made)] for name, made in methods().items()}
    versions = {name: _version(name) for name in _LIBRARIES}
    digest.update(json.dumps([about, versions], sort_keys=True).encode())
    digest.update(_content(standing.path(records_dir)).encode())
    for path in sorted(Path(records_dir).glob("*.json")):
        digest.update(f"{path.name}\0{_content(path)}\n".encode(errors="surrogateescape"))
    for folder in (reliability.FOLDER, deployments.FOLDER):
        for path in record_paths(Path(records_dir).parent / folder):
            digest.update(f"{folder}/{path.name}\0{_content(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _version(library: str) -> str:
    """Return the version of an installed library; empty for the plotting engine, which a board can do without."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _sources() -> list[Path]:
    places = [ROOT / "harness" / name for name in _SOURCES]
    files = [path for place in places for path in (place.rglob("*") if place.is_dir() else (place,))]
    return sorted(path for path in files if path.suffix in (".py", ".lock", ".js", ".css", ".html"))


def _content(path: Path) -> str:
    """Return the digest of a file; a word where it is missing, is not a file or cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "none"
    except OSError:
        return "unreadable"


def outputs(paths: Iterable[Path]) -> dict[str, str]:
    """Return a digest of each written file, by name."""
    return {path.name: _content(path) for path in paths}


def text(made_from: str, written: Mapping[str, str], summary: Mapping[str, Any]) -> str:
    """Return the content of a stamp: what a board was made from, the files written, and what was found."""
    return json.dumps({"inputs": made_from, "outputs": written, "summary": summary}, indent=1) + "\n"


def summary(path: Path, made_from: str, written: Iterable[Path]) -> dict[str, Any] | None:
    """Return what was found when the board was made, if inputs and outputs are still the same; else None."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["inputs"] == made_from and outputs(written).items() <= known["outputs"].items():
            return dict(known["summary"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass  # no stamp, or not one of this version: the board is made anew
    return None
