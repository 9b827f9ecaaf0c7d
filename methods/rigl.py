"""RigL and its ITOP variant: gradient growth."""

import math
from dataclasses import dataclass
from typing import ClassVar

from methods.base import Look
from methods.families.drop_and_grow import DropAndGrow
from methods.registry import register

_LOOK = Look("#0077bb", "square")


@register("rigl")
@dataclass
class RigL(DropAndGrow):
    """RigL (Evci et al. 2020): drop by magnitude, grow by dense gradient, until three quarters of training.

    An event replaces an optimiser step: its batch only provides the gradients.
    """

    family: ClassVar[str] = "gradient_growth"
    summary: ClassVar[str] = "Drops the smallest weights now and then and grows where the gradient is largest."
    paper: ClassVar[str] = "Evci et al. 2020, arXiv:1911.11134"
    look: ClassVar[Look | None] = _LOOK

    interval: int = 100
    fraction: float = 0.3
    final_fraction: float = 0.0
    until: float = 0.75
    replaces_step: bool = True

    def exchanged(self, fraction: float, active: int) -> int:
        """Weights to exchange in a layer: rounded down."""
        return math.floor(fraction * active)


@register("rigl_itop")
@dataclass
class RigLITOP(DropAndGrow):
    """RigL-ITOP (Liu et al. 2021, section 4): few, late, large updates alongside the optimiser steps, to the end."""

    family: ClassVar[str] = "gradient_growth"
    summary: ClassVar[str] = "RigL with rarer, larger updates, so that more weights are tried over time."
    paper: ClassVar[str] = "Liu et al. 2021, arXiv:2102.02887"
    look: ClassVar[Look | None] = _LOOK.hollow()

    interval: int = 4000
