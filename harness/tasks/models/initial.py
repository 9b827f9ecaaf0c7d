"""Initial weights by name (``model.init``), and what may stand between a linear layer and its activation."""

from collections.abc import Iterable

import torch
from torch import nn

from harness.config.check_model import deviation
from harness.errors import UsageError
from harness.vocabulary import NORMALISATIONS

_Layer = nn.Linear | nn.modules.conv._ConvNd


@torch.no_grad()
def initialise(modules: Iterable[nn.Module], init: str) -> None:
    """Draw the weights of linear layers and convolutions anew, in the order given.

    Args:
        modules: Of a model that its builder has made.
        init: ``default`` to leave them as they are, ``torch`` for the draws of PyTorch's layers, or a distribution for
            the weights with biases of 0: He's for ReLUs by the fan-in (``kaiming_normal``, ``kaiming_uniform``),
            Glorot's (``xavier_normal``, ``xavier_uniform``), or ``normal:STD`` around 0.
    """
    if init == "default":
        return
    for layer in modules:
        if isinstance(layer, _Layer):
            _draw(layer, init)


def _draw(layer: _Layer, init: str) -> None:
    if init == "torch":
        layer.reset_parameters()
        return
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    match init:
        case "kaiming_normal":
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        case "kaiming_uniform":
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        case "xavier_normal":
            nn.init.xavier_normal_(layer.weight)
        case "xavier_uniform":
            nn.init.xavier_uniform_(layer.weight)
        case _:
            nn.init.normal_(layer.weight, std=deviation(init))


def normalisation(name: str, features: int) -> list[nn.Module]:
    """Return the normalisation of so many features: no module for ``none``.

    Raises:
        UsageError: There is none of that name.
    """
    match name:
        case "none":
            return []
        case "batch":
            return [nn.BatchNorm1d(features)]
        case "layer":
            return [nn.LayerNorm(features)]
    raise UsageError(f"model.normalisation {name!r}: allowed are {', '.join(NORMALISATIONS)}")


def dropout(share: float) -> list[nn.Module]:
    """Return the dropout of a share of the features: no module for 0."""
    return [nn.Dropout(share)] if share else []
