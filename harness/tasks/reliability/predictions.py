"""What the seeds of a row say of the same samples: how often they agree, and how right they are together."""

from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.errors import UsageError
from harness.tasks.data import Batches
from harness.tasks.reliability.calibration import Calibrating, Calibration
from harness.tasks.score import answers, evaluating


class Predictions(NamedTuple):
    """What a model predicts on a split, in its order, on the CPU.

    Attributes:
        labels: int64, shape (samples,).
        classes: The most probable class of each sample, int64, shape (samples,).
        probabilities: Softmax of the logits, float64, shape (samples, classes).
    """

    labels: Tensor
    classes: Tensor
    probabilities: Tensor


class Ensemble(NamedTuple):
    """The mean of several models' probabilities, scored.

    Attributes:
        accuracy: Share of the samples whose most probable class is right.
        calibration: Of the mean probabilities.
    """

    accuracy: float
    calibration: Calibration


def predict(model: nn.Module, batches: Batches) -> Predictions:
    """Return what a model predicts on a split.

    Args:
        model: On the device of the batches.
        batches: The split.
    """
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    with evaluating(model):
        for inputs, labels in batches.epoch(0):
            logits = answers(model, inputs)
            parts.append((labels.cpu(), logits.topk(1, dim=1).indices[:, 0].cpu(), logits.double().softmax(1).cpu()))
    return Predictions(*(torch.cat(part) for part in zip(*parts, strict=True)))


class Together:
    """Several models on the same samples, added one by one: only one set of probabilities is held."""

    def __init__(self) -> None:
        self._classes: list[Tensor] = []
        self._sum: Tensor | None = None
        self._labels: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of models."""
        return len(self._classes)

    def add(self, said: Predictions) -> None:
        """Take the predictions of another model.

        Raises:
            UsageError: They are of other samples.
        """
        if self._labels is not None and not torch.equal(said.labels, self._labels):
            raise UsageError("its test set is not that of the other seeds")
        self._labels = said.labels
        self._sum = said.probabilities.clone() if self._sum is None else self._sum.add_(said.probabilities)
        self._classes.append(said.classes)

    def agreement(self) -> float:
        """Return the share of samples on which two models predict the same class, the mean over pairs; 1 of one."""
        pairs = [float((one == other).double().mean()) for one, other in combinations(self._classes, 2)]
        return sum(pairs) / len(pairs) if pairs else 1.0

    def ensemble(self) -> Ensemble:
        """Score the mean of the probabilities; at least one model must have been added."""
        assert self._sum is not None
        assert self._labels is not None
        mean = self._sum / len(self)
        right = mean.topk(1, dim=1).indices[:, 0] == self._labels
        found = Calibrating()
        found.add(mean, self._labels, right)
        return Ensemble(int(right.sum()) / len(right), found.result())
