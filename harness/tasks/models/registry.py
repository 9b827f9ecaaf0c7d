"""Models by name: how one is made, and which of its weights a method may mask."""

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from harness import generators
from harness.budget.inputs import Inputs
from harness.budget.measure import measure
from harness.budget.parts import Layers, select
from harness.errors import UnfitError, UsageError, unknown
from harness.seeds import derive
from methods import entry_points

ENTRY_POINTS = "sparsebench.models"

Shape = tuple[int, ...]
"""Of one input: channels, height and width of an image (`require_images`), or any other."""

Builder = Callable[..., nn.Module]
"""Takes the width of the output and the shape of one input; draws weights from the global generators.

A builder with a parameter ``width`` says how the model scales: it multiplies every number of channels or neurons (see
`scaled`), and 1 is the model as published. In the same way a builder may take ``widths``, ``dropout``,
``normalisation`` and ``init`` (`harness.config.ModelConfig`), each of which it is given where it is not the default.
"""

OPTIONS = ("width", "widths", "dropout", "normalisation", "init")
"""Settings of a model that its builder may take."""

MODELS: dict[str, Builder] = {}
"""What is registered so far: the models of this project, and plug-ins once they are loaded."""


def register(builder: Builder) -> Builder:
    """Make a builder available as ``model=NAME``, where the name is that of the function."""
    add(builder.__name__, builder)
    return builder


def add(name: str, builder: Builder) -> None:
    """Make a builder available as ``model=NAME``.

    Raises:
        ValueError: Another model has that name.
        TypeError: It cannot be called.
    """
    if not callable(builder):
        raise TypeError(f"{builder!r} is not a function")
    if MODELS.get(name, builder) is not builder:
        raise ValueError(f"model {name!r} exists already")
    MODELS[name] = builder


def forget(module: str) -> None:
    """Remove the models whose builders come from a module, before it is imported anew."""
    for name in [name for name, made_by in MODELS.items() if made_by.__module__ == module]:
        del MODELS[name]


def builder(name: str) -> Builder:
    """Return the builder of a model.

    Raises:
        UsageError: If no model has that name.
    """
    if name not in MODELS:
        load_installed()
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


@cache
def load_installed() -> None:
    """Load the models of installed packages; see `methods.entry_points.load`."""
    entry_points.load(ENTRY_POINTS, add)


def build(name: str, classes: int, shape: Sequence[int], seed: int, device: str = "cpu", **options: Any) -> nn.Module:
    """Build a model with initial weights that depend on the name, the sizes, the options and the seed alone.

    Args:
        name: A key of `MODELS`.
        classes: Width of the output.
        shape: Of one input.
        seed: The run's seed; the weights come from its stream ``"init"``. Global generators are left as
            they were.
        device: ``"cpu"``, or ``"meta"`` for a model without values, which not every builder can make.
        options: What else its builder is given (`harness.config.ModelConfig.options`).

    Raises:
        UsageError: If no model has that name.
        UnfitError: If the model's builder does not take an option.
    """
    make = builder(name)
    options = {option: value for option, value in options.items() if (option, value) != ("width", 1)}
    for option in options:
        if not takes(make, option):
            raise UnfitError(_not_taken(name, make, option))
    with generators.seeded(derive(seed, "init")), ExitStack() as without_values:
        if device == "meta":
            without_values.enter_context(torch.device(device))
            without_values.enter_context(_NoNormals())
        return make(classes, tuple(shape), **options)


def takes(make: Builder, option: str) -> bool:
    """Return whether a builder takes an option such as ``width``."""
    return option in _parameters(make)


def _not_taken(name: str, make: Builder, option: str) -> str:
    if option == "width":
        return f"model {name!r} does not say how it scales: its builder takes no width, so width is 1 alone"
    own = [f"model.{each}" for each in OPTIONS if takes(make, each)]
    with_it = [each for each in sorted(MODELS) if takes(MODELS[each], option)]
    return (
        f"model {name!r} takes no model.{option}: {f'it takes {_joined(own)}' if own else 'it has no such settings'}; "
        f"model.{option} is taken by {_joined(with_it) or 'none'}"
    )


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names)


def _parameters(make: Builder) -> Collection[str]:
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError):  # a callable that does not tell
        return ()


def scaled(channels: int, width: float) -> int:
    """Return a number of channels or neurons at a width: a whole number, at least 1."""
    return max(round(channels * width), 1)


class _NoNormals(TorchFunctionMode):
    """Skips normal draws, which the meta device takes from Python code that imports torch._dynamo: two seconds."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return args[0] if function is Tensor.normal_ else function(*args, **(kwargs or {}))


def maskable(model: nn.Module, shape: Inputs | Sequence[int], dense: Sequence[str] = ()) -> Layers:
    """List the weights that a method may mask, in definition order.

    Args:
        model: A network.
        shape: Of one input, or `harness.budget.inputs.Inputs`.
        dense: Names of weights to leave out, or patterns; see `harness.budget.measure.measure`.

    Returns:
        Pairs of name (``"layer1.0.conv1.weight"``) and weight; a weight that two layers share comes once.

    Raises:
        UsageError: See `harness.budget.measure.measure`.
    """
    return select(model, [layer.name for layer in measure(model, shape, dense).layers])


def kaiming(modules: Iterable[nn.Module]) -> None:
    """Draw convolution weights from He's normal distribution (fan out, ReLU), in the order given."""
    for module in modules:
        if isinstance(module, nn.modules.conv._ConvNd):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def require_images(model: str, shape: Shape, smallest: int = 1) -> None:
    """Raise a `UsageError` if inputs are no images, or have sides of less than ``smallest`` pixels."""
    if len(shape) != 3:
        raise UsageError(f"model {model!r} takes images, [channels, height, width], not inputs of shape {list(shape)}")
    if min(shape[1:]) < smallest:
        raise UsageError(f"model {model!r} needs images of at least {smallest}x{smallest}, not {shape[1]}x{shape[2]}")
