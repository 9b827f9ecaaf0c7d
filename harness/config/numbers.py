"""Limits on single numbers, and how a message names what is outside them."""

import math

from harness.errors import UsageError


def positive(name: str, value: float) -> None:
    """Raise a `UsageError` unless a number is above 0 and finite."""
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} {value} is not a positive number")


def not_negative(name: str, value: float) -> None:
    """Raise a `UsageError` unless a number is 0 or more and finite."""
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{name} {value} is not a number of 0 or more")


def share(name: str, value: float) -> None:
    """Raise a `UsageError` unless a number is in [0, 1)."""
    if not 0 <= value < 1:
        raise UsageError(f"{name} {value} is not in [0, 1)")
