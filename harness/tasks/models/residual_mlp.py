"""The perceptron of the MNIST-1D notebooks (Greydanus & Kobak 2024, arXiv 2011.14439)."""

from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.tasks.models.registry import Shape, register, scaled

_HIDDEN = 500


class WithBias(nn.Module):
    """A linear layer whose biases are the last column of its weights, so that a mask covers them as well.

    Weights and biases start as those of `torch.nn.Linear` do.

    Args:
        inputs: Values of one input.
        outputs: Neurons.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs + 1, outputs, bias=False)
        nn.init.uniform_(self.linear.weight, -(inputs**-0.5), inputs**-0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs [batch, inputs] to [batch, outputs]."""
        return self.linear(F.pad(inputs, (0, 1), value=1.0))


class ResidualMLP(nn.Module):
    """Three linear layers with ReLUs, the second with a connection around it.

    Args:
        hidden: Neurons of both hidden layers.
        classes: Number of classes.
        shape: Of one input.
    """

    def __init__(self, hidden: int, classes: int, shape: Shape) -> None:
        super().__init__()
        self.layer1 = WithBias(prod(shape), hidden)
        self.layer2 = WithBias(hidden, hidden)
        self.layer3 = WithBias(hidden, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs [batch, ...] to logits [batch, classes]."""
        hidden = torch.relu(self.layer1(inputs.flatten(1)))
        hidden = hidden + torch.relu(self.layer2(hidden))
        return self.layer3(hidden)


@register
def mlp_residual(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """Two hidden layers of 500 neurons, the second residual: 276,010 maskable weights and biases on 40 values."""
    return ResidualMLP(scaled(_HIDDEN, width), classes, shape)
