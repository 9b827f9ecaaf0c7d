"""Digests of the project's own code with which the golden runs have passed: ``sources.lock``, which is committed."""

import json
from functools import cache
from pathlib import Path
from typing import Any

LOCK = Path(__file__).with_name("sources.lock")


def passed(part: str, name: str = "") -> list[str]:
    """Return the digests of a part of the code that golden runs have passed with.

    Args:
        part: ``shared``, ``method`` or ``model``.
        name: Of the method or model.

    Returns:
        The present one first, and those before it, which gave the same results; nothing of code that is not ours.
    """
    found: list[str] = read()["shared"] if part == "shared" else read()[f"{part}s"].get(name, [])
    return found


@cache
def read() -> dict[str, Any]:
    """Return the lock: a list of digests for ``shared``, and one for each name in ``methods`` and ``models``."""
    found: dict[str, Any] = json.loads(LOCK.read_text())
    return found
