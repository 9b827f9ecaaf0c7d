"""Learning-rate shapes: functions of the schedule position."""

import math
from collections.abc import Callable, Sequence

from harness.budget.course import Course, Iteration
from harness.budget.schedule import reached
from harness.config import RecipeConfig


def learning_rate(
    position: float,
    peak: float,
    shape: str,
    *,
    after: float | None = None,
    warmup: float = 0.0,
    milestones: Sequence[float] = (),
    gamma: float = 0.1,
    end: float = 0.0,
    until: float = 1.0,
) -> float:
    """Return the learning rate of the step that begins at a schedule position.

    Warm-up counts the step itself: of ``W`` iterations, number ``k`` (from 1) has ``k / W`` of the peak, so that the
    first changes the weights and the last has the peak. After it, the rate is that of the position before the step.

    Args:
        position: 0 at the start of training, 1 at its end.
        peak: Rate after warm-up.
        shape: ``constant``, ``step`` (times ``gamma`` at each milestone), or how the rate goes to its end: ``cosine``
            (half a period), ``linear``, or ``exponential`` (by the same factor in equal parts of the schedule).
        after: Position after the step; ``position`` itself if not given, for the rate that has been reached.
        warmup: Position at which a linear warm-up is over.
        milestones: Positions of the drops.
        gamma: Factor at each drop.
        end: Rate that a shape goes to.
        until: Position from which the rate is at its end.
    """
    if not reached(position, warmup):
        coming = position if after is None else after
        return peak if reached(coming, warmup) else peak * coming / warmup
    if shape == "constant":
        return peak
    if shape == "step":
        return peak * gamma ** sum(reached(position, milestone) for milestone in milestones)
    gone = 1.0 if until < 1 and reached(position, until) else (position - warmup) / (until - warmup)
    return _TOWARDS_END[shape](peak, end, gone)


_TOWARDS_END: dict[str, Callable[[float, float, float], float]] = {
    "cosine": lambda peak, end, gone: end + (peak - end) * (1 + math.cos(math.pi * gone)) / 2,
    "linear": lambda peak, end, gone: peak + (end - peak) * gone,
    "exponential": lambda peak, end, gone: peak * (end / peak) ** gone,
}


class Rates:
    """The learning rates of a recipe along the course of a run."""

    def __init__(self, recipe: RecipeConfig, course: Course) -> None:
        """Follow a course with a recipe."""
        self._recipe, self._course = recipe, course

    def of(self, iteration: Iteration) -> float:
        """Return the rate of the coming iteration."""
        position, after = self._course.position, iteration.moment.position
        if self._course.clock.kind.timed:
            # How far it gets only the machine knows. Without a guess, the first step would have a rate of 0.
            after = max(after, position + 1 / (self._recipe.epochs * self._course.per_epoch))
        return self.at(position, after)

    def at(self, position: float, after: float | None = None) -> float:
        """Return the rate at a position; see `learning_rate`."""
        return of_recipe(self._recipe, position, after)


def of_recipe(recipe: RecipeConfig, position: float, after: float | None = None) -> float:
    """Return the rate that a recipe has at a position; see `learning_rate`."""
    return learning_rate(
        position,
        recipe.lr,
        recipe.lr_shape,
        after=after,
        warmup=recipe.warmup_epochs / recipe.epochs,
        milestones=recipe.milestones,
        gamma=recipe.gamma,
        end=recipe.lr_end,
        until=recipe.lr_until,
    )
