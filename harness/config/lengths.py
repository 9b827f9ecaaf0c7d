"""Lengths with a unit, ``5 epochs`` or ``25000 steps``, where a setting counts steps or shares of the schedule.

What is written so, on the command line or in a recipe's file, is turned into the setting's own number once the data,
the batch size and the budget are known, and a run is identified by that number: ``recipe.milestones=[80 epochs]`` of
160 is the run of ``[0.5]``.
"""

import re
from typing import TYPE_CHECKING, Any

from harness.budget.epoch import steps_per_epoch
from harness.config.values import Value
from harness.errors import UsageError, short

if TYPE_CHECKING:
    from omegaconf import DictConfig

MILESTONES = "recipe.milestones"
POSITIONS = {MILESTONES: list[float], "recipe.lr_until": float}
"""Settings that are positions on the schedule, with the types of their numbers."""

_TUNED = r"recipe\.methods\.\w+\.interval"
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(epoch|step)s?\s*")


def may_be(name: str) -> bool:
    """Whether a setting takes lengths with a unit: positions on the schedule, and the interval of any method."""
    return name in (*POSITIONS, "method.interval") or re.fullmatch(_TUNED, name) is not None


def is_late(name: str, value: Any) -> bool:
    """Whether a setting is given as a length with a unit, which is turned into a number after all others are set."""
    return may_be(name) and is_written(value)


def is_written(value: Any) -> bool:
    """Whether a value is a length with a unit, or a list that holds one."""
    if isinstance(value, list | tuple):
        return any(map(is_written, value))
    return isinstance(value, str) and _LENGTH.fullmatch(value) is not None


def resolved(name: str, value: Any, config: "DictConfig") -> Value:
    """Return a length as the number that its setting counts.

    Args:
        name: Of the setting.
        value: A text, or for milestones a list of texts and shares.
        config: All other settings of the run.

    Raises:
        UsageError: It is no whole step, after the end of the run, or the budget does not say how long the run is; or
            the folder of images that the run would read cannot be used.
    """
    batch = config.recipe.batch_size
    per_epoch = steps_per_epoch(_samples(config.dataset), batch) if batch > 0 else 1
    if name not in POSITIONS:
        steps = round(_steps(value, per_epoch))
        if steps < 1:
            raise UsageError(f"{name}={value}: is less than a step, of which an epoch has {per_epoch}")
        return steps
    if isinstance(value, list | tuple):
        return tuple(_position(name, each, per_epoch, config.budget) for each in value)
    return _position(name, value, per_epoch, config.budget)


def _samples(dataset: "DictConfig") -> int:
    """Return the images that a run trains on: of a folder those that are in it, not those of the published set."""
    from omegaconf import OmegaConf

    from harness import plugins

    data: Any = OmegaConf.to_container(dataset, throw_on_missing=True)
    data |= plugins.dataset_counts(data)
    return int(data["train_examples"] - data["val_examples"])


def _steps(text: str, per_epoch: int) -> float:
    found = _LENGTH.fullmatch(text)
    assert found is not None
    return float(found[1]) * (per_epoch if found[2] == "epoch" else 1)


def _position(name: str, value: Any, per_epoch: int, budget: Any) -> float:
    return _share(name, value, per_epoch, budget) if is_written(value) else _plain(name, value)


def _share(name: str, text: str, per_epoch: int, budget: Any) -> float:
    if budget.kind not in ("epochs", "steps"):
        raise UsageError(
            f"{name}: {text}: a budget of {budget.kind} does not say how long the run is; write shares of the "
            f"schedule, or use a budget of epochs or steps"
        )
    whole = budget.amount * budget.stretch * (per_epoch if budget.kind == "epochs" else 1)
    share = _steps(text, per_epoch) / whole if whole > 0 else 0.0
    if share > 1:
        raise UsageError(
            f"{name}: {text} is after the end of the run, {whole:g} steps of which an epoch has {per_epoch}"
        )
    return share


def _plain(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name}: {short(value)} is no share such as 0.5, and no length such as 80 epochs") from None


def settle_recipe(config: "DictConfig") -> None:
    """Turn the intervals that a recipe sets for single methods into steps, in place."""
    tuned: Any = config.recipe.methods
    for name in tuned:
        if is_written((tuned[name] or {}).get("interval")):
            tuned[name]["interval"] = resolved(f"recipe.methods.{name}.interval", tuned[name]["interval"], config)


def settle_positions(config: "DictConfig") -> bool:
    """Turn the positions that a recipe's file has into shares of the schedule, in place.

    Returns:
        Whether one of them is a length with a unit.

    Raises:
        UsageError: See `resolved`; or one is neither a number nor a length.
    """
    recipe = config.recipe
    given = {MILESTONES: _listed(recipe.milestones), "recipe.lr_until": recipe.lr_until}
    for name, value in given.items():
        if is_written(value):
            found = resolved(name, value, config)
        else:
            found = tuple(_plain(name, each) for each in value) if isinstance(value, list) else _plain(name, value)
        recipe[name.partition(".")[2]] = list(found) if isinstance(found, tuple) else found
    return any(map(is_written, given.values()))


def _listed(milestones: Any) -> list[Any]:
    if isinstance(milestones, str) or not hasattr(milestones, "__iter__"):
        raise UsageError(f"{MILESTONES}: {short(milestones)} is not a list such as [0.5,0.75]")
    return list(milestones)


def require_own_rounds(rounds: str, method: str) -> None:
    """Make sure that the schedule of a rewinding method is as long as the budget says.

    Raises:
        UsageError: Its rounds share the budget.
    """
    if rounds == "shared":
        raise UsageError(
            f"{MILESTONES}: the rounds of {method} share the budget, so that none is as long as it; write shares of "
            f"the schedule, or budget.rounds=each"
        )
