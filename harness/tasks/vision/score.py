"""Evaluation: accuracy and loss of a model on a split."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
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
        right: Which images are classified correctly, bool, shape (images,), on the CPU and in the order of the split;
            None unless requested.
    """

    accuracy: float
    top5: float | None
    loss: float
    right: Tensor | None = field(default=None, compare=False)


@torch.no_grad()
def evaluate(model: nn.Module, batches: Batches, *, each: bool = False) -> Score:
    """Score a model in evaluation mode on all of a split; its mode is restored.

    Args:
        model: On the device of the batches.
        batches: The split.
        each: Whether to return which images are classified correctly.
    """
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    top1, top5 = torch.zeros((), device=device), torch.zeros((), device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    classes = 0
    hits: list[Tensor] = []
    for images, labels in batches.epoch(0):
        with precision(device):
            logits = model(images)
        logits = logits.float()
        classes = logits.shape[1]
        ranked = logits.topk(min(5, classes), dim=1).indices == labels[:, None]
        top1 += ranked[:, 0].sum()
        top5 += ranked.sum()
        if each:
            hits.append(ranked[:, 0])
        loss += F.cross_entropy(logits, labels, reduction="sum")
    model.train(training)
    correct, correct5, total_loss = float(top1), float(top5), float(loss)
    n = batches.samples
    right = torch.cat(hits).cpu() if each else None
    return Score(correct / n, correct5 / n if classes > 5 else None, total_loss / n, right)
