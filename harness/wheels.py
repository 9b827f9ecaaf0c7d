"""The packages that an image's locks name, downloaded on the host so that the build needs no network."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path

from harness.image import ImageError, ImageFiles

IMAGE_PYTHON = "3.11"


def download(files: ImageFiles, report: Callable[[str], None]) -> list[Path]:
    """Download what the locks name, with this machine's pip settings (proxy, certificates, index), and return it.

    The build then needs no network. The files stay in the user's cache folder, so that a changed lock downloads only
    what changed. Returns nothing, so that the build asks the index itself, where this Python is not the image's: pip
    would choose the wrong wheels.

    Raises:
        ImageError: The download failed.
    """
    if not files.locks:
        return []
    if platform.python_version_tuple()[:2] != tuple(IMAGE_PYTHON.split(".")):
        report(f"this is Python {platform.python_version()}, the image's {IMAGE_PYTHON}: the build downloads by itself")
        return []
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sparsebench" / "wheels"
    cache.mkdir(parents=True, exist_ok=True)
    report(f"downloading what the locks name into {cache}")
    wanted = set()
    # One call per lock: the locks may pin two versions of a build tool, one to build with and one to install.
    for lock in files.locks:
        command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
        command += ["--require-hashes", "--no-build-isolation", "-d", str(cache), "-r", str(lock)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cache)
        if result.returncode:
            lines = result.stderr.strip().splitlines() or ["no message"]
            raise ImageError(f"pip cannot download what {files.name}/{lock.name} names: {lines[-1]}")
        wanted |= {part.partition("sha256:")[2] for part in lock.read_text().split() if "--hash=sha256:" in part}
    return [path for path in sorted(cache.iterdir()) if path.is_file() and _sha256(path) in wanted]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
