"""What a classification may be trained by (``recipe.loss``); its score stays accuracy, and cross entropy beside it.

All but the cross entropy compare outputs with labels of 0 and 1, one output for each class: they sum over the classes
and average over the samples of a batch. ``squared_error`` is half the sum of squares, so that its gradient is the
difference, and ``sigmoid_squared_error`` that of outputs between 0 and 1. The softmax of outputs trained so gives no
probabilities: a record has its cross entropy all the same, but no calibration.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]
"""Takes logits [batch, classes] and labels [batch], and returns the mean loss."""


def _squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs - _ones(outputs, labels)).square().sum(1).mean() / 2


def _sigmoid_squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    return _squared_error(outputs.sigmoid(), labels)


def _binary_cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    ones = _ones(outputs, labels)
    return F.binary_cross_entropy_with_logits(outputs, ones, reduction="none").sum(1).mean()


def _ones(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.one_hot(labels, outputs.shape[1]).to(outputs.dtype)


LOSSES: dict[str, Loss] = {
    "squared_error": _squared_error,
    "sigmoid_squared_error": _sigmoid_squared_error,
    "binary_cross_entropy": _binary_cross_entropy,
}
"""By name, all but the cross entropy, which is the task's own."""
