"""Evaluation: accuracy and loss of a model on a split."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from harness.machine.precision import precision
from harness.tasks.vision.data import Batches


@dataclass(frozen=True)
class Score:
    """Result on a split.

    Attributes:
        accuracy: Share of its images that are classified correctly.
        top5: Share whose class is among the five best; None where there are no more than five classes.
        loss: Mean cross entropy.
    """

    accuracy: float
    top5: float | None
    loss: float


@torch.no_grad()
def evaluate(model: nn.Module, batches: Batches) -> Score:
    """Score a model in evaluation mode on all of a split; its mode is restored."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    top1, top5 = torch.zeros((), device=device), torch.zeros((), device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    classes = 0
    for images, labels in batches.epoch(0):
        with precision(device):
            logits = model(images)
        logits = logits.float()
        classes = logits.shape[1]
        ranked = logits.topk(min(5, classes), dim=1).indices == labels[:, None]
        top1 += ranked[:, 0].sum()
        top5 += ranked.sum()
        loss += F.cross_entropy(logits, labels, reduction="sum")
    model.train(training)
    correct, correct5, total_loss = float(top1), float(top5), float(loss)
    n = batches.samples
    return Score(correct / n, correct5 / n if classes > 5 else None, total_loss / n)
