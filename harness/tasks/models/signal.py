"""Networks for signals, [channels, length]: one-dimensional convolutions, and a recurrent net."""

import torch
from torch import Tensor, nn

from harness.errors import UsageError
from harness.tasks.models.registry import Shape, kaiming, register, scaled

_CHANNELS = 32
_HIDDEN = 64
_SHORTEST = 8  # three halvings leave a value


class Conv1dNet(nn.Module):
    """Three convolutions over time with ReLUs, each of stride 2, and a linear layer on all that is left.

    Kernels start as those of the other convolutional nets here: with torch's default, which is smaller, too little of a
    signal comes through a net of a twentieth of the weights for it to be trained.

    Args:
        channels: Of each convolution.
        classes: Number of classes.
        shape: Of one signal.
    """

    def __init__(self, channels: int, classes: int, shape: Shape) -> None:
        super().__init__()
        inputs, length = shape
        self.conv1 = nn.Conv1d(inputs, channels, 5, stride=2, padding=1)
        self.conv2 = nn.Conv1d(channels, channels, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(channels, channels, 3, stride=2, padding=1)
        left = (length - 3) // 2 + 1
        for _ in range(2):
            left = (left - 1) // 2 + 1
        self.classifier = nn.Linear(channels * left, classes)
        kaiming(self.modules())

    def forward(self, signals: Tensor) -> Tensor:
        """Map signals [batch, channels, length] to logits [batch, classes]."""
        hidden = torch.relu(self.conv1(signals))
        hidden = torch.relu(self.conv2(hidden))
        hidden = torch.relu(self.conv3(hidden))
        return self.classifier(hidden.flatten(1))


class GRULayer(nn.Module):
    """A gated recurrent unit (Cho et al. 2014, arXiv 1406.1078), in the form of cuDNN and `torch.nn.GRU`.

    Written with two linear layers rather than with torch's module: that one is a single operator on a GPU, whose
    products can be neither counted nor replaced, and computes with copies of its weights. Rows of both matrices belong
    to the reset gate, the update gate and the candidate, in this order.

    Args:
        inputs: Values of one step.
        hidden: Values of the state.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(inputs, 3 * hidden)
        self.state = nn.Linear(hidden, 3 * hidden)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)

    def forward(self, steps: Tensor) -> Tensor:
        """Map steps [batch, length, inputs] to states [batch, length, hidden]; the first state is 0."""
        given = self.inputs(steps)
        state = given.new_zeros(len(steps), self.state.in_features)
        states = []
        for now in given.unbind(1):
            reset, update, candidate = now.chunk(3, 1)
            old_reset, old_update, old_candidate = self.state(state).chunk(3, 1)
            keep = torch.sigmoid(update + old_update)
            new = torch.tanh(candidate + torch.sigmoid(reset + old_reset) * old_candidate)
            state = new + keep * (state - new)
            states.append(state)
        return torch.stack(states, 1)


class GRUNet(nn.Module):
    """A recurrent layer, and a linear layer on its last state.

    Args:
        hidden: Values of the state.
        classes: Number of classes.
        shape: Of one signal.
    """

    def __init__(self, hidden: int, classes: int, shape: Shape) -> None:
        super().__init__()
        self.layer = GRULayer(shape[0], hidden)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, signals: Tensor) -> Tensor:
        """Map signals [batch, channels, length] to logits [batch, classes]."""
        return self.classifier(self.layer(signals.transpose(1, 2))[:, -1])


@register
def conv1d(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """Three Conv1d layers of 32 channels with kernels of 5, 3 and 3: 7,904 maskable weights on 40 values of 10 classes.

    The convolutional net of MNIST-1D (Greydanus and Kobak 2020, arXiv 2011.14439) has 25 channels (``width=0.78125``),
    of which no N:M pattern has groups.
    """
    _require_signals("conv1d", shape)
    return Conv1dNet(scaled(_CHANNELS, width), classes, shape)


@register
def gru(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """A GRU with a state of 64 values: 13,120 maskable weights on signals of one channel in 10 classes."""
    _require_signals("gru", shape)
    return GRUNet(scaled(_HIDDEN, width), classes, shape)


def _require_signals(model: str, shape: Shape) -> None:
    """Raise a `UsageError` if inputs are no signals, or too short for three halvings."""
    if len(shape) != 2 or shape[1] < _SHORTEST:
        raise UsageError(f"model {model!r} takes signals, [channels, {_SHORTEST} values or more], not {list(shape)}")
