"""The masked layers of a network that can be computed in another format, and how each would be."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.budget.parts import parts
from harness.deploy.formats import Multiply

Forward = Callable[[Tensor], Tensor]
"""A layer's forward pass."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer or a convolution with a masked weight.

    Attributes:
        name: Of its weight.
        module: The layer.
    """

    name: str
    module: nn.Linear | nn.Conv2d

    @property
    def kind(self) -> str:
        """``linear`` or ``conv2d``."""
        return "linear" if isinstance(self.module, nn.Linear) else "conv2d"

    def matrix(self, channels_last: bool = False) -> Tensor:
        """Return the weight as a matrix [outputs, inputs].

        Args:
            channels_last: Whether the inputs of a convolution are kernel positions × channels, with the channels of one
                position as neighbours, rather than channels × kernel positions.
        """
        weight = self.module.weight.detach()
        return (weight.movedim(1, -1) if channels_last else weight).flatten(1)

    def using(self, multiply: Multiply, channels_last: bool = False) -> Forward:
        """Return the forward pass with the products done by ``multiply``, which was made of `matrix`."""
        if isinstance(self.module, nn.Linear):
            return _linear(self.module, multiply)
        return _conv2d(self.module, multiply, channels_last)


def find(model: nn.Module, masked: Collection[str]) -> tuple[list[Layer], dict[str, str]]:
    """Find the layers of masked weights.

    Args:
        model: The network.
        masked: Names of its masked weights.

    Returns:
        The layers in definition order, and by name of the other weights why they stay dense.
    """
    # The rows of a packed parameter are made anew each time: only names tell them apart.
    named = [part for part in parts(model) if part.name in masked]
    names = {id(part.weight): part.name for part in named if part.name == part.parameter}
    layers, refused = [], {}
    for path, module in model.named_modules():
        for leaf, weight in module.named_parameters(recurse=False):
            if id(weight) not in names:
                continue
            name = f"{path}.{leaf}" if path else leaf
            if why := _objection(module, leaf):
                refused[name] = why
            else:
                layers.append(Layer(name, module))
    rest = {part.name: "is part of a packed projection" for part in named if part.name != part.parameter}
    return layers, refused | rest


def _objection(module: nn.Module, leaf: str) -> str | None:
    """Say why a weight's products cannot be replaced, if so."""
    if leaf != "weight" or type(module).forward not in (nn.Linear.forward, nn.Conv2d.forward):
        return f"{type(module).__name__} has no sparse form here: linear layers and two-dimensional convolutions have"
    if isinstance(module, nn.Conv2d):
        if module.groups != 1:
            return "the convolution has groups"
        if isinstance(module.padding, str) or module.padding_mode != "zeros":
            return "the convolution has another padding than a number of zeros"
    return None


def inputs(model: nn.Module, layers: Collection[Layer], noise: Tensor) -> dict[str, Tensor]:
    """Return what each layer gets for a batch of inputs; a layer that is not called is missing.

    Of several calls it is the last: a recurrent layer is first given a state of zeros.
    """
    found: dict[str, Tensor] = {}

    def noting(layer: Layer) -> Forward:
        own = layer.module.forward

        def forward(given: Tensor) -> Tensor:
            found[layer.name] = given.detach().clone()
            return own(given)

        return forward

    with swapped({layer.name: layer for layer in layers}, {layer.name: noting(layer) for layer in layers}):
        model(noise)
    return found


@contextmanager
def swapped(layers: Mapping[str, Layer], forwards: Mapping[str, Forward]) -> Iterator[None]:
    """Have layers use other forward passes. Weights stay where they are, for code that reads them itself."""
    modules = [layers[name].module for name in forwards]
    try:
        for module, forward in zip(modules, forwards.values(), strict=True):
            module.forward = forward  # type: ignore[method-assign, assignment]
        yield
    finally:
        for module in modules:
            module.__dict__.pop("forward", None)


def _linear(module: nn.Linear, multiply: Multiply) -> Forward:
    bias = module.bias

    def forward(given: Tensor) -> Tensor:
        rows = given.reshape(-1, given.shape[-1])
        out = multiply(rows.t()).t()
        if bias is not None:
            out = out + bias
        return out.reshape(*given.shape[:-1], out.shape[-1])

    return forward


def _conv2d(module: nn.Conv2d, multiply: Multiply, channels_last: bool) -> Forward:
    """Multiply with the patches of the images laid out as columns ("im2col")."""
    bias, kernel = module.bias, _pair(module.kernel_size)
    padding, stride, dilation = _pair(module.padding), _pair(module.stride), _pair(module.dilation)
    pointwise = kernel == (1, 1) and padding == (0, 0)

    def forward(given: Tensor) -> Tensor:
        if pointwise:
            strided = given[:, :, :: stride[0], :: stride[1]]
            size, patches = strided.shape[2:], strided.flatten(2)
        else:
            size = torch.Size(
                _outputs(*each) for each in zip(given.shape[2:], kernel, padding, stride, dilation, strict=True)
            )
            patches = F.unfold(given, kernel, dilation, padding, stride)
        batch = len(given)
        if channels_last:
            patches = patches.unflatten(1, (given.shape[1], -1)).transpose(1, 2).flatten(1, 2)
        columns = patches.transpose(0, 1).reshape(patches.shape[1], batch * math.prod(size))
        out = multiply(columns)
        out = out.reshape(len(out), batch, *size).transpose(0, 1).contiguous()
        return out if bias is None else out + bias[:, None, None]

    return forward


def _outputs(side: int, kernel: int, padding: int, stride: int, dilation: int) -> int:
    return (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _pair(value: int | tuple[int, ...] | str) -> tuple[int, int]:
    assert not isinstance(value, str)
    first, second = (value, value) if isinstance(value, int) else value
    return first, second
