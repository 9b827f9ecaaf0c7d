"""What a run says of itself while it trains, as lines of JSON.

None of it is trusted: a method's code can say anything.
"""

import json
from typing import Any

NUMBERS = ("step", "progress", "epoch", "loss", "density", "samples", "seconds")
"""The figures that every ``progress`` event holds."""

MAYBE = ("val_accuracy", "val_score", "lr")
"""Figures that may be None or missing; a validation is under the name that the run's task gives it."""


def read(text: str) -> dict[str, Any] | None:
    """Return the event that a line is, or None if it is none that a display could use.

    Events are ``started``, ``done``, ``log`` with ``text``, and ``progress`` with the figures of
    `harness.training.trainer`.
    """
    if not text.startswith("{"):
        return None
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and _is_event(event) else None


def _is_event(event: dict[str, Any]) -> bool:
    match event.get("event"):
        case "started" | "done":
            return True
        case "log":
            return isinstance(event.get("text"), str)
        case "progress":
            return (
                all(_is_number(event.get(name)) for name in NUMBERS)
                and 0 <= event["progress"] <= 1
                and all(event.get(name) is None or _is_number(event[name]) for name in MAYBE)
                and isinstance(event.get("evaluated"), bool)
            )
    return False


def _is_number(value: object) -> bool:
    """Whether a value is a number that can be computed with: no NaN, and nothing beyond 64 bits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 63
