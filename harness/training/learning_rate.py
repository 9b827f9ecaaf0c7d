"""Learning-rate shapes: functions of the schedule position."""

import math
from collections.abc import Sequence

SHAPES = ("constant", "cosine", "step")


def learning_rate(
    position: float,
    peak: float,
    shape: str,
    *,
    warmup: float = 0.0,
    milestones: Sequence[float] = (),
    gamma: float = 0.1,
) -> float:
    """Learning rate at a schedule position.

    Args:
        position: 0 at the start of training, 1 at its end.
        peak: Rate after warm-up.
        shape: ``constant``, ``cosine`` (to zero at 1) or ``step`` (times ``gamma`` at each milestone).
        warmup: Position at which a linear warm-up from 0 is over.
        milestones: Positions of the drops.
        gamma: Factor at each drop.
    """
    if position < warmup:
        return peak * position / warmup
    if shape == "cosine":
        return peak * (1 + math.cos(math.pi * (position - warmup) / (1 - warmup))) / 2
    if shape == "step":
        return peak * gamma ** sum(position >= milestone for milestone in milestones)
    return peak
