"""Sparse-training methods: one file each, built on shared families and pure parts.

Importing this package does not import torch, so that commands which only name methods start at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from methods.base import Event, Learned, Look, Method, Moment, Probe, Rewinding
from methods.registry import build, methods, register

if TYPE_CHECKING:
    from methods.parts.masks import Masks
    from methods.parts.patterns import Pattern

__all__ = [
    "Event",
    "Learned",
    "Look",
    "Masks",
    "Method",
    "Moment",
    "Pattern",
    "Probe",
    "Rewinding",
    "build",
    "methods",
    "register",
]

_WITH_TORCH = {"Masks": "methods.parts.masks", "Pattern": "methods.parts.patterns"}


def __getattr__(name: str) -> Any:
    """Import what may need torch when it is first used."""
    if name in _WITH_TORCH:
        return getattr(import_module(_WITH_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
