"""Evaluation: accuracy and loss of a model on a split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from harness.config.compose import RunConfig
from harness.tasks.vision import data, models
from harness.tasks.vision.data import Batches


@dataclass(frozen=True)
class Score:
    """Result on a split: accuracies are shares of its images, the loss is their mean cross entropy."""

    accuracy: float
    top5: float | None
    loss: float


@torch.no_grad()
def evaluate(model: nn.Module, batches: Batches) -> Score:
    """Score a model in evaluation mode on all of a split; its mode is restored.

    Top-5 is None where there are no more than five classes.
    """
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


def precision(device: torch.device) -> torch.autocast:
    """Return the autocast context of a device: bfloat16 on CUDA, full precision on a CPU."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def load_data(run: RunConfig) -> data.Data:
    """Read a run's data onto its device."""
    fields: dict[str, Any] = vars(run.dataset)
    return data.load(
        fields,
        batch_size=run.recipe.batch_size,
        augment=run.recipe.augment,
        seed=run.seed,
        device=run.device,
        loader=run.loader,
        workers=run.workers,
    )


def test_accuracy(run: RunConfig, checkpoint: Path) -> float:
    """Measure the test accuracy of the weights that a run left in its ``final.pt``.

    Loads tensors only, never code, so that the file may come from a method that is not trusted.
    """
    model = models.build(run.model.name, run.dataset.classes, run.dataset.shape, run.seed)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])
    model.to(run.device)
    return evaluate(model, load_data(run).test).accuracy
