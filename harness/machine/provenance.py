"""Where a result comes from: source, versions, machine."""

import hashlib
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch

from harness.machine import installed
from harness.places import INSTALLED, PROJECT, ROOT

LOCK = PROJECT / "docker" / "requirements.lock"

# What can change a result: regenerating the board does not make the source dirty.
_SOURCE = ("methods", "harness", "sparsebench", "benchmarks", "docker", "pyproject.toml")


@cache
def source() -> dict[str, Any]:
    """Return commit, whether the source differs from it, and the hash of the image's lock.

    Commit and difference are null where the project is not the root of a git checkout of its own, as when it was
    unpacked inside another repository. An installed package adds its version, as ``package``.
    """
    return {**(installed.source() if INSTALLED else _checkout()), "lock_sha256": _lock()}


def _checkout() -> dict[str, Any]:
    """Return the commit of a checkout."""
    own = Path(_git("rev-parse", "--show-toplevel") or "/") == ROOT
    commit = _git("rev-parse", "HEAD") if own else None
    status = _git("status", "--porcelain", "--", *_SOURCE) if own else None
    return {"git_commit": commit, "git_dirty": None if status is None else bool(status)}


def _lock() -> str | None:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else None


def machine(device: str) -> dict[str, Any]:
    """Return hardware and versions; ``gpu`` is null for a run on the CPU."""
    return {
        "hostname_hash": hashlib.sha256(platform.node().encode()).hexdigest()[:12],
        "gpu": _gpu() if device == "cuda" else None,
        "cpu": _cpu(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device == "cuda" else None,
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            # A clone that belongs to another user is read all the same: its code is about to be run anyway.
            ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return f"{line.partition(':')[2].strip()} x{torch.get_num_threads()}"
    return f"{platform.processor() or platform.machine()} x{torch.get_num_threads()}"


def _gpu() -> dict[str, Any]:
    import pynvml

    pynvml.nvmlInit()
    driver = pynvml.nvmlSystemGetDriverVersion()
    pynvml.nvmlShutdown()
    return {"name": torch.cuda.get_device_name(), "driver": str(driver), "count": 1}
