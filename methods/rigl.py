"""RigL and its ITOP variant: gradient growth."""

import math
from dataclasses import dataclass

from methods.families.drop_and_grow import DropAndGrow
from methods.registry import register


@register("rigl")
@dataclass
class RigL(DropAndGrow):
    """RigL (Evci et al. 2020): drop by magnitude, grow by dense gradient, until three quarters of training.

    An event takes the place of an optimiser step: its batch only serves the gradients.
    """

    interval: int = 100
    fraction: float = 0.3
    final_fraction: float = 0.0
    until: float = 0.75
    replaces_step: bool = True

    def exchanged(self, fraction: float, active: int) -> int:
        """Weights to exchange in a layer: rounded down."""
        return math.floor(fraction * active)


@register("rigl_itop", interval=4000)
@dataclass
class RigLITOP(DropAndGrow):
    """RigL-ITOP (Liu et al. 2021, section 4): few, late, large updates, beside the optimiser steps, to the end."""
