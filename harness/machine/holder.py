"""What a lease says about its owner."""

import getpass
import hashlib
import json
import math
import os
import platform
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.machine import process

SIZE = 2048
"""Bytes of a lease, the same however far its owner is, so that one can be rewritten in place."""
_LONGEST = 64
"""Characters of a name; however they are written, they fit."""


@dataclass(frozen=True)
class Holder:
    """The owner of a lease, as its file tells. Anybody could have written the file.

    Attributes:
        token: Tells the lease from every other, 16 hexadecimal digits.
        renewed: When it was last renewed, by the file system's clock.
        user: Who started the process; this and the next are empty if the file cannot be read.
        host: The name of its machine.
        pid: The process.
        since: When it took the lease, by the clock of its machine, in ISO 8601.
        step: Iterations trained.
        progress: Share of the budget spent, 0 to 1.
    """

    token: str
    renewed: float
    user: str = ""
    host: str = ""
    pid: int = 0
    since: str = ""
    step: int = 0
    progress: float = 0.0
    _space: str = ""
    _started: str = ""

    def running(self, held: Collection[str]) -> bool | None:
        """Return whether the owner's process still has the lease; None if it cannot be seen from here.

        Args:
            held: Tokens of the leases that this process holds.
        """
        if not self._space or self._space != process.space() or not self._started:
            return None
        started = process.started(self.pid)
        if not started and process.is_foreign(self.pid):  # whether it is the same one cannot be seen
            return None
        if started != self._started:
            return False
        return self.pid != os.getpid() or self.token in held

    def __str__(self) -> str:
        """Say who it is, for a person."""
        if not self.host:
            return "another process"
        step = f", step {self.step}" if self.step else ""
        return f"process {self.pid} of {self.user!r} on {self.host!r} since {self.since}{step}"


def claim(token: str) -> dict[str, Any]:
    """Return what a lease of this process says."""
    pid = os.getpid()
    return {
        "token": token,
        "user": _user()[:_LONGEST],
        "host": platform.node()[:_LONGEST],
        "pid": pid,
        "since": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "step": 0,
        "progress": 0.0,
        "space": process.space()[:_LONGEST],
        "started": process.started(pid),
    }


def parse(content: bytes, renewed: float) -> Holder:
    """Read what a lease says; one that says nothing readable still has an owner, and a token of its own.

    Args:
        content: Of the file.
        renewed: When it was written, by the file system's clock.
    """
    try:
        found = json.loads(content)
        texts = {name: found[name] for name in ("token", "user", "host", "since", "space", "started")}
        pid, step, progress = found["pid"], found["step"], found["progress"]
        sound = (
            all(isinstance(text, str) and len(text) <= _LONGEST for text in texts.values())
            and re.fullmatch(r"[0-9a-f]{16}", texts["token"])
            and isinstance(pid, int)
            and 0 < pid < 1 << 31
            and isinstance(step, int)
            and isinstance(progress, int | float)
            and math.isfinite(progress)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = None
    if not sound:
        return Holder(hashlib.sha256(content).hexdigest()[:16], renewed)
    return Holder(
        token=texts["token"],
        renewed=renewed,
        user=texts["user"],
        host=texts["host"],
        pid=pid,
        since=texts["since"],
        step=step,
        progress=progress,
        _space=texts["space"],
        _started=texts["started"],
    )


def text(about: dict[str, Any]) -> bytes:
    """Return the content of a lease that says this."""
    return json.dumps(about).encode().ljust(SIZE - 1) + b"\n"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an ID without a name, as on some clusters
        return f"uid {os.getuid()}"
