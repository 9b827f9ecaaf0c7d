"""What of a record is needed to count it, read without parsing or validating the rest: ten thousand in half a second.

A record holds one key a line (`harness.records.record.text`). A file that is laid out differently is read whole.
"""

import json
import math
import os
from typing import Any, NamedTuple

from harness.records.store import load
from harness.records.validate import RecordError

_BYTES = 16_384
"""Read at first; nearly always the needed lines are among them."""
_LARGEST = 1 << 20
_NEEDED = ("key", "status", "reason", "cost")


class Head(NamedTuple):
    """A record in brief.

    Attributes:
        key: Of the run.
        status: One of `harness.vocabulary.STATUSES`.
        reason: Why, in one line; None for a run that is done.
        seconds: Its wall-clock time, None if it is not known.
        train_flops: What training cost, None if it is not known.
    """

    key: str
    status: str
    reason: str | None
    seconds: float | None
    train_flops: float | None


def read_head(path: str) -> Head | None:
    """Return a record in brief; None if the file is not a record.

    Args:
        path: The file.
    """
    try:
        found = _lines(path) or load(path)
        cost = found["cost"]
        return Head(
            str(found["key"]),
            str(found["status"]),
            None if found["reason"] is None else str(found["reason"]),
            _number(cost["seconds"]["total"]),
            _number(cost["train_flops"]),
        )
    except (OSError, RecordError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _lines(path: str) -> dict[str, Any] | None:
    """Return the needed values, if each is on a line of its own near the beginning of the file."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        content = os.read(handle, _BYTES)
        found = _values(content)
        return found or _values(content + os.read(handle, _LARGEST))
    finally:
        os.close(handle)


def _values(content: bytes) -> dict[str, Any] | None:
    found = {}
    for name in _NEEDED:
        start = content.find(b'\n"%s": ' % name.encode())
        end = content.find(b",\n", start)
        if start < 0 or end < 0:
            return None
        found[name] = json.loads(content[start + len(name) + 5 : end])
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
