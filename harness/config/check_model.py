"""Limits on the settings of a model; whether the model takes them, its builder says (`harness.tasks.models`)."""

import math
import re

from harness.config.numbers import positive, share
from harness.config.schema import ModelConfig
from harness.errors import UsageError, short, unknown
from harness.vocabulary import INIT_FANS, INITS, NORMALISATIONS

_WIDEST = 16  # of a published model; more is a slip of the keyboard
_DEEPEST, _MOST_NEURONS = 100, 1_000_000  # far beyond any perceptron that is trained here
_NORMAL = re.compile(r"normal:(\d+(?:\.\d*)?(?:e-?\d+)?|\.\d+(?:e-?\d+)?)")


def check_model(model: ModelConfig) -> None:
    """Check what types cannot say of a model's settings.

    Raises:
        UsageError: A value is out of range; the message names it and what is allowed.
    """
    positive("model.width", model.width)
    if model.width > _WIDEST:
        raise UsageError(f"model.width {model.width:g} is over the largest allowed, {_WIDEST}")
    if len(model.widths) > _DEEPEST or not all(0 < each <= _MOST_NEURONS for each in model.widths):
        raise UsageError(
            f"model.widths={short(model.widths)}: allowed are 1 to {_MOST_NEURONS:,} neurons in each of at most "
            f"{_DEEPEST} hidden layers, such as [300,100]"
        )
    share("model.dropout", model.dropout)
    for name, value, allowed in (
        ("model.normalisation", model.normalisation, NORMALISATIONS),
        ("model.init_fan", model.init_fan, INIT_FANS),
    ):
        if value not in allowed:
            raise unknown(name, value, allowed)
    if model.init not in INITS:
        deviation(model.init)


def deviation(init: str) -> float:
    """Return the standard deviation of ``normal:STD``.

    Raises:
        UsageError: It is something else, or STD is not a positive number.
    """
    found = _NORMAL.fullmatch(init)
    std = float(found[1]) if found else 0.0
    if not (math.isfinite(std) and std > 0):
        raise unknown("model.init", init, [*INITS, "normal:STD such as normal:0.1"])
    return std
