"""SET and its ITOP variant: random growth."""

from dataclasses import dataclass
from typing import ClassVar

from methods.base import Look
from methods.families.drop_and_grow import DropAndGrow
from methods.registry import register

_LOOK = Look("#33bbee", "circle")


@register("set")
@dataclass
class SET(DropAndGrow):
    """Sparse evolutionary training (Mocanu et al. 2018): drop by magnitude, grow at random.

    Exactly k weights grow. The released ITOP code grows each candidate with a probability, so its counts drift.
    """

    family: ClassVar[str] = "random_growth"
    summary: ClassVar[str] = "Drops the smallest weights now and then and grows as many at random."
    paper: ClassVar[str] = "Mocanu et al. 2018, arXiv:1707.04780"
    look: ClassVar[Look | None] = _LOOK

    interval: int = 100
    fraction: float = 0.3
    growth: str = "random"


@register("set_itop")
@dataclass
class SETITOP(DropAndGrow):
    """SET-ITOP (Liu et al. 2021): SET with few, late, large updates."""

    family: ClassVar[str] = "random_growth"
    summary: ClassVar[str] = "SET with rarer, larger updates, so that more weights are tried over time."
    paper: ClassVar[str] = "Liu et al. 2021, arXiv:2102.02887"
    look: ClassVar[Look | None] = _LOOK.hollow()

    interval: int = 1500
    growth: str = "random"
