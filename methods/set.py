"""SET and its ITOP variant: random growth."""

from dataclasses import dataclass

from methods.families.drop_and_grow import DropAndGrow
from methods.registry import register


@register("set", interval=100, fraction=0.3)
@register("set_itop", interval=1500, fraction=0.5)
@dataclass
class SET(DropAndGrow):
    """Sparse evolutionary training (Mocanu et al. 2018): drop by magnitude, grow at random.

    SET-ITOP (Liu et al. 2021) is the same with few, late, large updates. Exactly k weights grow, where the released
    code grows each candidate with a probability and so lets counts drift.
    """

    growth: str = "random"
