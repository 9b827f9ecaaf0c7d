"""The source behind an installed package: its version, and the commit that it was built from."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from harness.places import PROJECT, ROOT

BUILT = PROJECT / "source.json"
"""Says which commit the package was built from (`setup.py`)."""

_PACKAGES = ("harness", "methods", "sparsebench")


def source() -> dict[str, Any]:
    """Return the package's version, its commit, and whether the files differ from that commit.

    Commit and difference are null where the package was built outside a git checkout.
    """
    try:
        package = distribution("sparsebench")
    except PackageNotFoundError:
        package = None
    if package is None or Path(str(package.locate_file(""))).resolve() != ROOT:  # copied rather than installed
        return {"git_commit": None, "git_dirty": None}
    try:
        built = json.loads(BUILT.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        built = {}
    commit = built.get("git_commit")
    dirty = None if commit is None else bool(built.get("git_dirty")) or _changed(package)
    return {"package": package.version, "git_commit": commit, "git_dirty": dirty}


def _changed(package: Distribution) -> bool:
    """Return whether a file of the packages was changed, removed or added since they were installed."""
    files = [file for file in package.files or () if file.parts[0] in _PACKAGES]
    known = {file.as_posix() for file in files}
    try:
        changed = any(_digest(file.read_binary()) != file.hash.value for file in files if file.hash)
        return changed or any(_present() - known)
    except OSError:
        return True


def _present() -> set[str]:
    """Return the files of the packages that are there, without bytecode."""
    found = (path for name in _PACKAGES for path in (ROOT / name).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if path.parent.name != "__pycache__"}


def _digest(content: bytes) -> str:
    """Return a hash as pip records it."""
    return urlsafe_b64encode(sha256(content).digest()).decode().rstrip("=")
