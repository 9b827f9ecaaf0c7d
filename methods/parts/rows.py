"""Some rows of a parameter, masked as a layer of their own: a packed projection holds several matrices."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows ``start`` to ``stop`` of a contiguous parameter, with what `methods.Masks` needs of a parameter.

    Attributes:
        parameter: The whole.
        start: First row.
        stop: One past the last.
    """

    parameter: nn.Parameter
    start: int
    stop: int

    def of(self, tensor: Tensor) -> Tensor:
        """Return these rows of a tensor of the parameter's shape, as a view."""
        return tensor[self.start : self.stop]

    def detach(self) -> Tensor:
        """Return the weights as a view that takes no part in autograd."""
        return self.of(self.parameter.detach())

    @property
    def grad(self) -> Tensor | None:
        """Their part of the gradient, as a view."""
        gradient = self.parameter.grad
        return None if gradient is None else self.of(gradient)

    @property
    def shape(self) -> torch.Size:
        """Shape of the part."""
        return self.detach().shape

    @property
    def device(self) -> torch.device:
        """Where the parameter is."""
        return self.parameter.device

    def numel(self) -> int:
        """Return the number of weights in the part."""
        return self.shape.numel()


def state_of(optimizer: torch.optim.Optimizer, weight: nn.Parameter | Rows) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that an optimiser keeps for each of these weights by name, as views of their shape."""
    whole = weight.parameter if isinstance(weight, Rows) else weight
    for name, value in optimizer.state.get(whole, {}).items():
        if isinstance(value, Tensor) and value.shape == whole.shape:
            yield name, weight.of(value) if isinstance(weight, Rows) else value


def gradient_of(weight: nn.Parameter | Rows) -> Tensor:
    """Return the gradient of these weights, as a view; a missing one is made, of zeros."""
    whole = weight.parameter if isinstance(weight, Rows) else weight
    if whole.grad is None:
        whole.grad = torch.zeros_like(whole)
    return weight.of(whole.grad) if isinstance(weight, Rows) else whole.grad
