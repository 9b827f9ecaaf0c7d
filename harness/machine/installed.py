"""The source behind an installed package: its version, and the commit that it was built from."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from harness.places import PROJECT

BUILT = PROJECT / "source.json"
"""Says which commit the package was built from (`setup.py`)."""

_PACKAGES = ("harness", "methods", "sparsebench")


def source() -> dict[str, Any]:
    """Return the package's version, its commit, and whether the files differ from that commit.

    Commit and difference are null where the package was built outside a git checkout.
    """
    try:
        package = distribution("sparsebench")
    except PackageNotFoundError:  # copied rather than installed
        return {"git_commit": None, "git_dirty": None}
    try:
        built = json.loads(BUILT.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        built = {}
    commit = built.get("git_commit")
    dirty = None if commit is None else bool(built.get("git_dirty")) or _changed(package)
    return {"package": package.version, "git_commit": commit, "git_dirty": dirty}


def _changed(package: Distribution) -> bool:
    """Return whether a file of the packages is missing or not as it was installed."""
    files = [file for file in package.files or () if file.hash is not None and file.parts[0] in _PACKAGES]
    try:
        return not files or any(_digest(file.read_binary()) != file.hash.value for file in files if file.hash)
    except OSError:
        return True


def _digest(content: bytes) -> str:
    """Return a hash as pip records it."""
    return urlsafe_b64encode(sha256(content).digest()).decode().rstrip("=")
