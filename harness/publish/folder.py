"""Writes a publication into a folder: leaves alone what has not changed and removes what is gone."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import board
from harness.board import standing
from harness.errors import UsageError, short
from harness.publish import card, tables
from harness.publish.contents import FOLDERS, Contents
from harness.records import load_files
from harness.records.store import LARGEST, decode, open_regular

FILE = "published.json"
"""Lists every file of a publication with its bytes and its SHA-256; a folder that has it is one."""

_OURS = re.compile(rf"(({'|'.join(FOLDERS)})/)?[^/\0]+")
_PART = ".part"


@dataclass(frozen=True)
class Publication:
    """What was written.

    Attributes:
        folder: Where.
        sizes: Bytes of every file but `FILE`, by its path in the folder.
        changed: How many of them are new, or not as they were.
        removed: How many files of an earlier publication were removed.
    """

    folder: Path
    sizes: dict[str, int]
    changed: int
    removed: int


def write(
    contents: Contents, folder: Path, *, repository: str | None = None, tell: Callable[[], object] = lambda: None
) -> Publication:
    """Write a publication, or bring one up to date.

    Args:
        contents: What is published.
        folder: Where to; made if missing.
        repository: Where on the Hub it will go, for its card.
        tell: Called after each record and network.

    Raises:
        UsageError: The folder is neither empty nor a publication, or is the output or a part of it; it holds records of
            others or links to other folders; or a record has changed since it was checked.
        OSError: It cannot be written to.
    """
    before = _before(folder, contents.output)
    files = _Files(folder)
    if not before:  # so that what is cut short here can be done again
        kept = (f"networks/{path.name}" for path in contents.networks.values())
        planned = (*(f"records/{name}" for name in contents.records), *contents.measured, *kept)
        files.list({name: {"sha256": ""} for name in planned})
    for name in contents.records:
        files.copy(contents.output / "records" / name, f"records/{name}")
        tell()
    for name, path in contents.measured.items():
        files.copy(path, name)
    for path in contents.networks.values():
        files.copy(path, f"networks/{path.name}", link=True)
        tell()
    cells = standing.path(contents.output / "records")
    if cells.parent == contents.output:  # its own, which the board of these records needs
        files.copy(cells, cells.name)
    gone = [name for name in before if name not in files.digests]
    removed = _remove(folder, [name for name in gone if "/" in name or name == cells.name])
    _require_checked(contents, folder)
    for path in board.make(folder / "records", folder).written:
        files.note(path.name)
    for name, content in tables.tables(contents, folder).items():
        files.put(name, content)
    files.put(card.FILE, card.card(contents, repository).encode())
    removed += _remove(folder, [name for name in before if "/" not in name and name not in files.digests])
    listed = {name: {"bytes": files.sizes[name], "sha256": files.digests[name]} for name in sorted(files.sizes)}
    changed = sum(before.get(name) != digest for name, digest in files.digests.items())
    publication = Publication(folder, dict(files.sizes), changed, removed)
    files.list(listed)
    return publication


class _Files:
    """Puts files into a folder, each whole or not at all, and notes their sizes and hashes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sizes: dict[str, int] = {}
        self.digests: dict[str, str] = {}

    def copy(self, source: Path, name: str, *, link: bool = False) -> None:
        """Copy a file; with ``link`` a hard link will do, for files that nobody edits."""
        size, digest = _measure(source)
        if not self._has(name, size, digest):
            self._replace(name, lambda part: _link(source, part) if link else shutil.copyfile(source, part))
        self.sizes[name], self.digests[name] = size, digest

    def put(self, name: str, content: bytes) -> None:
        self.sizes[name], self.digests[name] = self._store(name, content)

    def list(self, listed: dict[str, Any]) -> None:
        """Write the list of files, of which it is none."""
        self._store(FILE, (json.dumps(listed, indent=1) + "\n").encode())

    def note(self, name: str) -> None:
        """Take note of a file that is there."""
        self.sizes[name], self.digests[name] = _measure(self._folder / name)

    def _store(self, name: str, content: bytes) -> tuple[int, str]:
        """Write a file unless it is there as it should be; return its bytes and its SHA-256."""
        size, digest = len(content), hashlib.sha256(content).hexdigest()
        if not self._has(name, size, digest):
            self._replace(name, lambda part: part.write_bytes(content))
        return size, digest

    def _has(self, name: str, size: int, digest: str) -> bool:
        path = self._folder / name
        return path.is_file() and path.stat().st_size == size and _measure(path)[1] == digest

    def _replace(self, name: str, make: Callable[[Path], object]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}{_PART}")
        part.unlink(missing_ok=True)
        try:
            make(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def _require_checked(contents: Contents, folder: Path) -> None:
    """Refuse records that nothing was found of: tables say of each whether it is verified.

    Raises:
        UsageError: A record in the folder is not one that was checked; runs may have gone on meanwhile.
    """
    copied, _ = load_files(folder / "records")
    for name, record in contents.records.items():
        if copied.get(name) != record:
            raise UsageError(f"record {short(name)} has changed meanwhile: publish again")
    if others := sorted(copied.keys() - contents.records.keys()):
        raise UsageError(f"--to {folder}: its record {short(others[0])} is not in {contents.output}: remove it")


def _before(folder: Path, output: Path) -> dict[str, str]:
    """Return the hashes of the files of the publication that a folder holds, by name.

    Raises:
        UsageError: See `write`.
    """
    there, source = folder.resolve(), output.resolve()
    inside = any(there.is_relative_to(source / name) for name in (*FOLDERS, "runs"))
    if inside or there == source or there in source.parents:
        raise UsageError(f"--to {folder}: is the output itself; name a folder of its own")
    if not folder.exists() or not any(folder.iterdir()):
        return {}
    if link := next((name for name in FOLDERS if (folder / name).is_symlink()), None):
        raise UsageError(f"--to {folder}: its {link} is a link to another place; name another folder")
    try:
        with open_regular(folder / FILE) as file:
            listed = decode(file.read(LARGEST + 1))
        return {name: str(about["sha256"]) for name, about in listed.items() if _OURS.fullmatch(name) and name != ".."}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        raise UsageError(f"--to {folder}: is not empty and holds no publication (no {FILE}); name another") from None


def _remove(folder: Path, names: list[str]) -> int:
    """Remove files, and return how many were there."""
    there = [path for name in names if (path := folder / name).is_file() or path.is_symlink()]
    for path in there:
        path.unlink()
    return len(there)


def _measure(path: Path) -> tuple[int, str]:
    """Return the bytes of a file and its SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
