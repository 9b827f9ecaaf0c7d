"""Calibration: how far a model's confidence is from its accuracy, and the squared error of its probabilities.

The expected calibration error is that of Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2:
samples are put into `BINS` bins of equal width by their confidence, the largest probability; the error is the mean over
samples of the absolute difference between accuracy and mean confidence of their bin. A bin holds its upper edge, not
its lower one. The score of Brier 1950 is the mean over samples of the squared distance between probabilities and the
one-hot label, summed over classes: 0 at best, 2 at worst. Both are computed in float64.
"""

from typing import NamedTuple

import torch
from torch import Tensor

BINS = 15
"""Bins of equal width between 0 and 1."""


class Calibration(NamedTuple):
    """How well a model's probabilities are calibrated on a split.

    Attributes:
        ece: Expected calibration error over `BINS` bins, in [0, 1].
        brier: Brier score, in [0, 2].
    """

    ece: float
    brier: float


class Calibrating:
    """Collects what a calibration is computed from, batch by batch."""

    def __init__(self) -> None:
        self._confidence: list[Tensor] = []
        self._right: list[Tensor] = []
        self._squared: list[Tensor] = []

    def add(self, probabilities: Tensor, labels: Tensor, right: Tensor) -> None:
        """Take a batch.

        Args:
            probabilities: float64, shape (batch, classes).
            labels: int64, shape (batch,).
            right: Whether the most probable class is the label, bool, shape (batch,).
        """
        own = probabilities.gather(1, labels[:, None])[:, 0]
        self._confidence.append(probabilities.amax(1))
        self._squared.append(probabilities.square().sum(1) - 2 * own + 1)
        self._right.append(right)

    def result(self) -> Calibration:
        """Return the calibration over every batch; at least one must have been added."""
        confidence, right, squared = (torch.cat(part).cpu() for part in (self._confidence, self._right, self._squared))
        # Rounding may leave a sum of squares a little below 0 where it is 0.
        return Calibration(_ece(confidence, right), max(float(squared.mean()), 0.0))


def _ece(confidence: Tensor, right: Tensor) -> float:
    inner = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]
    # Of a bin only the sum of the differences matters: its share times the difference of its means.
    sums = torch.zeros(BINS, dtype=torch.float64)
    sums.index_add_(0, torch.bucketize(confidence, inner), confidence - right.double())
    return float(sums.abs().sum() / len(confidence))
