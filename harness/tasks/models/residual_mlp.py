"""The perceptron of the MNIST-1D notebooks (Greydanus & Kobak 2024, arXiv 2011.14439)."""

from math import prod

import torch
from torch import Tensor, nn

from harness.tasks.models.registry import Shape, register, scaled

_HIDDEN = 500


class ResidualMLP(nn.Module):
    """Three linear layers with ReLUs, the second with a connection around it; weights start as torch draws them.

    Args:
        hidden: Neurons of both hidden layers.
        classes: Number of classes.
        shape: Of one input.
    """

    def __init__(self, hidden: int, classes: int, shape: Shape) -> None:
        super().__init__()
        self.linear1 = nn.Linear(prod(shape), hidden)
        self.linear2 = nn.Linear(hidden, hidden)
        self.linear3 = nn.Linear(hidden, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs [batch, ...] to logits [batch, classes]."""
        hidden = torch.relu(self.linear1(inputs.flatten(1)))
        hidden = hidden + torch.relu(self.linear2(hidden))
        return self.linear3(hidden)


@register
def mlp_residual(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """Two hidden layers of 500 neurons, the second residual: 275,000 maskable weights on 40 values of 10 classes."""
    return ResidualMLP(scaled(_HIDDEN, width), classes, shape)
