"""Starts a command in the background, where the end of its terminal does not reach it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_CODE = "import sys; sys.path[:] = {path!r}; from harness.cli.main import main; sys.exit(main())"


def start(arguments: Sequence[str], log: Path) -> int:
    """Start ``sparsebench ARGUMENTS`` in a session of its own and return its process ID.

    Args:
        arguments: Of the command line.
        log: What it prints is appended to this file; its folder is made if missing.

    Raises:
        OSError: The log cannot be written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE.format(path=sys.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    process.returncode = 0  # it outlives this process, which is what Popen would warn of
    return process.pid
