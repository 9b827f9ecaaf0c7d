"""The matrices of a network: its parameters, of which a packed one holds several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from methods.parts.rows import Rows

Layers = list[tuple[str, nn.Parameter | Rows]]
"""Masked weights by name, in model order."""

_PROJECTIONS = ("q", "k", "v")


@dataclass(frozen=True, eq=False)
class Part:
    """A parameter, or some of its rows.

    Attributes:
        name: The parameter's name; of rows, with a suffix.
        parameter: The parameter's name.
        weight: The weights themselves.
        start: The first of its elements, in the parameter's order.
        stop: One past the last.
    """

    name: str
    parameter: str
    weight: nn.Parameter | Rows
    start: int
    stop: int


def parts(model: nn.Module) -> Iterator[Part]:
    """Yield each parameter in definition order, shared ones once.

    The packed projection of ``nn.MultiheadAttention`` is three matrices: ``in_proj_weight.q``, ``.k`` and ``.v``.
    """
    packed = {
        id(module.in_proj_weight)
        for module in model.modules()
        if isinstance(module, nn.MultiheadAttention) and module._parameters.get("in_proj_weight") is not None
    }
    for name, parameter in model.named_parameters():
        if id(parameter) not in packed:
            yield Part(name, name, parameter, 0, parameter.numel())
            continue
        rows, size = len(parameter) // len(_PROJECTIONS), parameter.numel() // len(_PROJECTIONS)
        for i, suffix in enumerate(_PROJECTIONS):
            part = Rows(parameter, i * rows, (i + 1) * rows)
            yield Part(f"{name}.{suffix}", name, part, i * size, (i + 1) * size)


def select(model: nn.Module, names: Sequence[str]) -> Layers:
    """Return weights of a network by name.

    Raises:
        KeyError: It has no such part.
    """
    found = {part.name: part.weight for part in parts(model)}
    return [(name, found[name]) for name in names]
