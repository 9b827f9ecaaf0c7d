"""Whole commands as a person waits for them, of this tree or of another commit."""

import io
import os
import resource
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness.places import ROOT

TWELVE = "method=[dense,static,set,set_itop,rigl,rigl_itop,granet,granet_s0,gmp,gmp_uniform,lth_rewind,lr_rewind]"
"""The methods of the first board: suites take longer the more methods there are, and other commits have fewer."""


class Checkout:
    """A tree whose commands can be timed.

    Attributes:
        folder: Its root.
    """

    def __init__(self, folder: Path = ROOT) -> None:
        self.folder = folder

    def cpu_seconds(self, arguments: Sequence[str], status: int = 0) -> float:
        """Run ``sparsebench ARGUMENTS`` and return the CPU seconds of its process and of those that it waited for.

        Args:
            arguments: Of the command.
            status: The exit status that it must have.

        Raises:
            RuntimeError: It has another one, with what it printed.
        """
        before = _children()
        self._run(["-m", "harness.cli", *arguments], status)
        return _children() - before

    def seconds(self, arguments: Sequence[str]) -> float:
        """Run ``sparsebench ARGUMENTS``, which must succeed, and return the seconds it took by the clock."""
        started = time.perf_counter()
        self._run(["-m", "harness.cli", *arguments], 0)
        return time.perf_counter() - started

    def import_seconds(self, module: str) -> float:
        """Return the CPU seconds of a Python that imports a module and ends."""
        before = _children()
        self._run(["-c", f"import {module}"], 0)
        return _children() - before

    def _run(self, command: Sequence[str], status: int) -> None:
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != status:
            raise RuntimeError(f"exit status {done.returncode}: {(done.stderr or done.stdout)[-1000:]}")


def checkout(revision: str, folder: Path) -> Checkout:
    """Write the tree of a commit to an empty folder.

    Raises:
        RuntimeError: Git knows no such commit here.
    """
    command = ["git", "archive", "--format=tar", revision]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise RuntimeError(f"--against {revision}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return Checkout(folder)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
