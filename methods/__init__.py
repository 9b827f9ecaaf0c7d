"""Sparse-training methods: one file each, built on shared families and pure parts.

Importing this package does not import torch, so that commands which only name methods start at once.
"""

from typing import TYPE_CHECKING, Any

from methods.base import Event, Look, Method, Moment, Rewinding
from methods.registry import build, methods, register

if TYPE_CHECKING:
    from methods.parts.masks import Masks

__all__ = ["Event", "Look", "Masks", "Method", "Moment", "Rewinding", "build", "methods", "register"]


def __getattr__(name: str) -> Any:
    """Import `Masks`, which needs torch, when it is first used."""
    if name == "Masks":
        from methods.parts.masks import Masks

        return Masks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
