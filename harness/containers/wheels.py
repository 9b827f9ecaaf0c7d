"""The packages that an image's locks name, downloaded on the host so that the build needs no network."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from harness.containers.content import ImageError, ImageFiles
from harness.places import cache

IMAGE_PYTHON = "3.11"


def download(files: ImageFiles, report: Callable[[str], None]) -> list[Path]:
    """Download what the locks name with this machine's pip settings (proxy, certificates, index), and return it.

    The build then needs no network, and pip checks every hash again inside. The files stay in the user's cache folder,
    in a folder for each state of the locks, and a changed lock downloads only what changed. Where this Python is not
    the image's, pip would choose the wrong wheels: nothing is returned, and the build downloads by itself.

    Raises:
        ImageError: The download failed.
    """
    if not files.locks:
        return []
    if platform.python_version_tuple()[:2] != tuple(IMAGE_PYTHON.split(".")):
        report(f"this is Python {platform.python_version()}, the image's {IMAGE_PYTHON}: the build downloads by itself")
        return []
    state = sha256(b"".join(lock.read_bytes() for lock in files.locks)).hexdigest()[:12]
    known = cache() / "wheels"
    folder = known / state
    complete = folder / ".complete"
    if not complete.exists():
        report(f"downloading what the locks name into {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        _link_known(known, folder, files.locks)
        for lock in files.locks:
            _pip_download(lock, folder)
        complete.touch()
    return sorted(path for path in folder.iterdir() if path != complete)


def _pip_download(lock: Path, folder: Path) -> None:
    # One call a lock: the locks may pin two versions of a build tool, one to build with and one to install.
    command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--no-build-isolation", "-d", str(folder), "-r", str(lock)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise ImageError(f"pip cannot download what {lock} names: {lines[-1]}")


def _link_known(known: Path, folder: Path, locks: list[Path]) -> None:
    """Link what was downloaded for another state of the locks and is still needed; pip checks its hash."""
    wanted = {pin for lock in locks for pin in re.findall(r"^(\S+)==([^\s;]+)", lock.read_text(), flags=re.M)}
    wanted = {(_canonical(name), version) for name, version in wanted}
    for path in known.glob("*/*"):
        if path.suffix == ".whl":
            name, version = path.name.split("-")[:2]
        else:
            # The name of a source archive may hold dashes itself.
            name, _, version = path.name.removesuffix(".tar.gz").rpartition("-")
        if (_canonical(name), version) in wanted and not (folder / path.name).exists():
            os.link(path, folder / path.name)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
