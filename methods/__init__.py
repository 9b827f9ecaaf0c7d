"""How each method decides: one file each, over shared pure parts (masks, distributions, schedules, selection)."""

from methods.base import Event, Method, Moment, Rewinding
from methods.parts.masks import Masks
from methods.registry import build, methods, register, source_sha256

__all__ = [
    "Event",
    "Masks",
    "Method",
    "Moment",
    "Rewinding",
    "build",
    "methods",
    "register",
    "source_sha256",
]
