"""Limits on the settings of a recipe."""

import os
from collections.abc import Collection
from typing import Any

from harness.config.numbers import not_negative, positive, share
from harness.config.schema import RecipeConfig
from harness.errors import UsageError, unknown
from harness.vocabulary import LOSSES, LR_SHAPES, OPTIMIZERS

_ADAPTIVE = ("adam", "adamw")
_ENDING = ("cosine", "linear", "exponential")
"""Shapes of the learning rate that go to an end."""
_OF_A_CHOICE = {
    "optimizer": (OPTIMIZERS, "sgd", ("momentum", "nesterov")),
    "lr_shape": (LR_SHAPES, "step", ("milestones", "gamma")),
}
"""What is chosen, from what, and the settings that one of them alone has.

Recipes may have them besides, as one that a command line gives another optimiser keeps its momentum.
"""


def check_recipe(recipe: RecipeConfig) -> None:
    """Check what types cannot say of a recipe's settings.

    Raises:
        UsageError: A value is out of range, or belongs to another choice; the message names it and what is allowed.
    """
    for name, value, allowed in (
        ("recipe.optimizer", recipe.optimizer, OPTIMIZERS),
        ("recipe.lr_shape", recipe.lr_shape, LR_SHAPES),
        ("recipe.loss", recipe.loss, LOSSES),
    ):
        if value not in allowed:
            raise unknown(name, value, allowed)
    for name in ("epochs", "batch_size", "lr", "gamma"):
        positive(f"recipe.{name}", getattr(recipe, name))
    if recipe.threads is not None:
        at_most("recipe.threads", recipe.threads, 1)
    not_negative("recipe.weight_decay", recipe.weight_decay)
    if recipe.clip is not None:
        positive("recipe.clip", recipe.clip)
    for name in ("momentum", "label_smoothing"):
        share(f"recipe.{name}", getattr(recipe, name))
    if recipe.label_smoothing and recipe.loss != "cross_entropy":
        raise UsageError(
            f"recipe.label_smoothing smooths the cross entropy, not recipe.loss={recipe.loss}: set it to 0"
        )
    if recipe.nesterov and not recipe.momentum:
        raise UsageError("recipe.nesterov needs recipe.momentum above 0")
    if not 0 <= recipe.warmup_epochs < recipe.epochs:
        raise UsageError(f"recipe.warmup_epochs {recipe.warmup_epochs} is not in [0, {recipe.epochs:g}), the epochs")
    for milestone in recipe.milestones:
        if not 0 <= milestone <= 1:
            raise UsageError(f"recipe.milestones: {milestone} is not in [0, 1]; they are shares of the schedule")
    _check_moments(recipe)
    _check_end(recipe)


def check_unused(recipe: Any, given: Collection[str], where: str = "") -> None:
    """Refuse settings that somebody has set and that the optimiser or the shape of the learning rate does not have.

    Args:
        recipe: A recipe, whose choices are not checked yet.
        given: Full names of what was set in one place: on the command line, in the recipe's file, or by a tuning space.
        where: What the message begins with.

    Raises:
        UsageError: It names the setting and the choice that has it.
    """
    for choice, (allowed, owner, names) in _OF_A_CHOICE.items():
        chosen = recipe[choice]
        for name in names:
            if f"recipe.{name}" in given and chosen != owner and chosen in allowed:
                raise UsageError(
                    f"{where}recipe.{name} {recipe[name]} is a setting of recipe.{choice}={owner}, not of "
                    f"recipe.{choice}={chosen}: leave it out"
                )


def differing(recipe: Any) -> list[str]:
    """Return the full names of such settings that are not at their defaults, as a recipe's file has set them."""
    usual, names = RecipeConfig(), [name for *_, names in _OF_A_CHOICE.values() for name in names]
    return [f"recipe.{name}" for name in names if recipe[name] != getattr(usual, name)]


def at_most(name: str, value: int, per_core: int, *, least: int = 1) -> None:
    """Check a number of threads or processes: far more than there are cores would bring the machine down.

    Raises:
        UsageError: There are too many or too few.
    """
    most = (os.cpu_count() or 1) * per_core
    if not least <= value <= most:
        raise UsageError(f"{name} {value} is not in {least}...{most} ({os.cpu_count()} cores here)")


def _check_moments(recipe: RecipeConfig) -> None:
    usual = RecipeConfig()
    if recipe.optimizer not in _ADAPTIVE:
        for name in ("betas", "eps"):
            if getattr(recipe, name) != getattr(usual, name):
                raise UsageError(
                    f"recipe.{name} {getattr(recipe, name)} is a setting of {' and '.join(_ADAPTIVE)}, not of "
                    f"recipe.optimizer={recipe.optimizer}"
                )
    if len(recipe.betas) != 2 or not all(0 <= beta < 1 for beta in recipe.betas):
        raise UsageError(f"recipe.betas {recipe.betas} are not two numbers in [0, 1), such as [0.9,0.999]")
    positive("recipe.eps", recipe.eps)


def _check_end(recipe: RecipeConfig) -> None:
    not_negative("recipe.lr_end", recipe.lr_end)
    shape, usual = recipe.lr_shape, RecipeConfig()
    if shape not in _ENDING:
        for name in ("lr_end", "lr_until"):
            if getattr(recipe, name) != getattr(usual, name):
                raise UsageError(
                    f"recipe.{name} {getattr(recipe, name)} is a setting of the shapes {', '.join(_ENDING)}, not of "
                    f"recipe.lr_shape={shape}"
                )
    if recipe.lr_end > recipe.lr:
        raise UsageError(f"recipe.lr_end {recipe.lr_end:g} is over recipe.lr {recipe.lr:g}, from which the rate falls")
    if shape == "exponential" and not recipe.lr_end:
        raise UsageError("recipe.lr_end 0.0: lr_shape=exponential needs an end above 0, which factors can reach")
    warmup = recipe.warmup_epochs / recipe.epochs
    if not warmup < recipe.lr_until <= 1:
        raise UsageError(
            f"recipe.lr_until {recipe.lr_until} is not in ({warmup:g}, 1]; it is a share of the schedule, after warm-up"
        )
