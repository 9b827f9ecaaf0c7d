"""Evaluation: accuracy and loss of a model on a split."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.machine.precision import precision
from harness.tasks.data import Batches
from harness.tasks.reliability.calibration import Calibrating, Calibration


@dataclass(frozen=True)
class Score:
    """Result on a split.

    Attributes:
        accuracy: Share of its images that are classified correctly.
        top5: Share whose class is among the five best; None where there are no more than five classes.
        loss: Mean cross entropy.
        right: Which images are classified correctly, bool, shape (images,), on the CPU and in the order of the split;
            None unless requested.
        calibration: Of the probabilities; None unless requested.
    """

    accuracy: float
    top5: float | None
    loss: float
    right: Tensor | None = field(default=None, compare=False)
    calibration: Calibration | None = field(default=None, compare=False)


def evaluate(model: nn.Module, batches: Batches, *, each: bool = False) -> Score:
    """Score a model in evaluation mode on all of a split; its mode is restored.

    Args:
        model: On the device of the batches.
        batches: The split.
        each: Whether to return which images are classified correctly, and the calibration.
    """
    device = next(model.parameters()).device
    top1, top5 = torch.zeros((), device=device), torch.zeros((), device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    classes = 0
    hits: list[Tensor] = []
    calibrating = Calibrating()
    with evaluating(model):
        for images, labels in batches.epoch(0):
            logits = answers(model, images)
            classes = logits.shape[1]
            ranked = logits.topk(min(5, classes), dim=1).indices == labels[:, None]
            top1 += ranked[:, 0].sum()
            top5 += ranked.sum()
            if each:
                hits.append(ranked[:, 0])
                calibrating.add(logits.double().softmax(1), labels, ranked[:, 0])
            loss += F.cross_entropy(logits, labels, reduction="sum")
    correct, correct5, total_loss = float(top1), float(top5), float(loss)
    n = batches.samples
    right, calibration = (torch.cat(hits).cpu(), calibrating.result()) if each else (None, None)
    return Score(correct / n, correct5 / n if classes > 5 else None, total_loss / n, right, calibration)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, without gradients; its mode is restored."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def answers(model: nn.Module, images: Tensor) -> Tensor:
    """Return the logits of a model in the precision of its device, as float32, shape (batch, classes)."""
    with precision(images.device):
        logits = model(images)
    logits = logits.float()
    assert isinstance(logits, Tensor)
    return logits
