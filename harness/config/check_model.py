"""Limits on the settings of a model; whether the model takes them, its builder says (`harness.tasks.models`)."""

import math
import re
from dataclasses import replace

from harness import plugins
from harness.config.numbers import positive, share
from harness.config.schema import ModelConfig, RunConfig
from harness.errors import UnfitError, UsageError, short, unknown
from harness.vocabulary import INIT_FANS, INITS, NORMALISATIONS
from methods import Method, methods
from methods.base import overrides

_WIDEST = 16  # of a published model; more is a slip of the keyboard
_DEEPEST, _MOST_NEURONS = 100, 1_000_000  # far beyond any perceptron that is trained here
_USUAL_WIDTHS = {"mlp": [300, 100]}
"""What a builder takes for ``widths`` where none are given: naming it is the same training."""

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


def settled(model: ModelConfig, *, plugin: bool) -> ModelConfig:
    """Return a model's settings as they are written in every run, so that one training has one key.

    Args:
        model: Settings within their limits.
        plugin: Whether the model is a plug-in's, whose defaults nobody knows here.
    """
    init = model.init if model.init in INITS else f"normal:{_shortest(deviation(model.init))}"
    usual = None if plugin else _USUAL_WIDTHS.get(model.name)
    return replace(model, init=init, widths=[] if model.widths == usual else model.widths)


def _shortest(number: float) -> str:
    """Return the fewest digits that give a number: ``1``, ``0.1``, ``1e-05``."""
    return repr(number).removesuffix(".0").replace("e+", "e")


def check_init_fan(run: RunConfig) -> None:
    """Refuse initial weights scaled by the first masks where these leave every weight, or others are trained too.

    A method without masks has the default (`harness.config.checked`).

    Raises:
        UnfitError: They are requested; the message names the methods that take them.
    """
    if run.model.init_fan != "mask" or not run.method.masked:
        return
    said = "model.init_fan=mask scales the weights inside the first masks"
    if not run.sparsity:
        raise UnfitError(f"{said}, and at sparsity 0 these leave every weight: use model.init_fan=layer")
    if overrides(run.method, "forward_weight"):
        raise UnfitError(
            f"{said}, and method {run.method.name!r} trains others too: use model.init_fan=layer, or one of the "
            f"methods {', '.join(_starting_sparse(run.sparsity))}"
        )
    if _density(run.method, run.sparsity) >= 1:
        raise UnfitError(
            f"{said}, and method {run.method.name!r} starts dense: use model.init_fan=layer, or one of the methods "
            f"{', '.join(_starting_sparse(run.sparsity))}"
        )


def _starting_sparse(sparsity: float) -> list[str]:
    """Return the project's methods whose initial weights can be scaled, with their default hyper-parameters."""
    own = [method for _, method in sorted(methods().items()) if method.masked and not plugins.is_foreign(method)]
    return [method.name for method in own if not overrides(method, "forward_weight") and _density(method, sparsity) < 1]


def _density(method: Method, sparsity: float) -> float:
    try:
        return float(method.initial_density(1 - sparsity))
    except Exception as error:
        if not plugins.is_foreign(method):
            raise
        raise plugins.unusable(method, error) from None
