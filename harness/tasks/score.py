"""Evaluation: a model's score on a split, as its task measures it."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from harness.machine.precision import precision
from harness.records import bits
from harness.records.metrics import CLASSIFICATION, field
from harness.tasks.base import Score, Task, named
from harness.tasks.classification import Classification
from harness.tasks.data import Batches
from harness.tasks.reliability.calibration import Calibrating, Calibration

__all__ = ["Score", "answers", "evaluate", "evaluating", "problem", "recorded", "tallied"]


def evaluate(model: nn.Module, batches: Batches, task: Task | None = None, *, each: bool = False) -> Score:
    """Score a model in evaluation mode on all of a split; its mode is restored.

    Args:
        model: On the device of the batches.
        batches: The split.
        task: What the model was trained for; None for a classification.
        each: Whether to return which samples are classified correctly, and the calibration; of a classification alone.
    """
    task = named(CLASSIFICATION) if task is None else task
    seen = _Each() if each and isinstance(task, Classification) else None
    score = task.score(tallied(model, batches, task, seen), batches.samples)
    return score if seen is None else replace(score, right=seen.right(), calibration=seen.calibration())


def tallied(model: nn.Module, batches: Batches, task: Task, seen: "_Each | None" = None) -> dict[str, float]:
    """Return the sums of a task over a split, or over this process's part of it (`harness.tasks.base.Task.tally`).

    Args:
        model: On the device of the batches; its mode is restored.
        batches: The split.
        task: What the model was trained for.
        seen: Takes the logits of a classification.
    """
    sums: dict[str, Tensor] = {}
    with evaluating(model):
        for inputs, targets in batches.epoch(0):
            outputs = answers(model, inputs)
            for name, amount in task.tally(outputs, targets).items():
                if name not in sums:
                    sums[name] = torch.zeros((), dtype=torch.float64, device=outputs.device)
                sums[name] += amount
            if seen is not None:
                seen.add(outputs, targets)
    return {name: float(total) for name, total in sums.items()}


def problem(score: Score, task: Task) -> str | None:
    """Say what of a score no record can hold: a further measure that is NaN or infinite, a value out of its bounds."""
    for name, value in score.more.items():
        if not math.isfinite(value):
            return f"{name} is {value}"
    metric = task.metric
    if metric.lowest is not None and score.value < metric.lowest:
        return f"{metric.name} is {score.value:g}, below {metric.lowest:g}, the lowest it is said to be"
    if metric.highest is not None and score.value > metric.highest:
        return f"{metric.name} is {score.value:g}, above {metric.highest:g}, the highest it is said to be"
    return None


def recorded(score: Score, task: Task) -> Mapping[str, Any]:
    """Return what a record's ``metrics`` say of a score on the test set."""
    found = {field(task.metric, "test"): score.value, "test_loss": score.loss}
    if isinstance(task, Classification):
        right = {} if score.right is None else {"test_right": bits.pack(score.right.numpy())}
        return found | {"test_top5": score.more.get("top5")} | right
    more = {name: value for name, value in score.more.items() if math.isfinite(value)}  # JSON has no others
    return found | ({"test_more": more} if more else {})


class _Each:
    """Collects which samples are classified correctly, and what the calibration is computed from."""

    def __init__(self) -> None:
        self._hits: list[Tensor] = []
        self._calibrating = Calibrating()

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Take a batch."""
        self._hits.append(Classification.best(logits, labels)[:, 0])
        self._calibrating.add(logits.double().softmax(1), labels, self._hits[-1])

    def right(self) -> Tensor:
        """Return whether each sample is classified correctly, bool, shape (samples,), on the CPU."""
        return torch.cat(self._hits).cpu()

    def calibration(self) -> Calibration:
        """Return the calibration over every batch."""
        return self._calibrating.result()


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


def answers(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the outputs of a model in the precision of its device, as float32, shape (batch, ...)."""
    with precision(inputs.device):
        outputs = model(inputs)
    outputs = outputs.float()
    assert isinstance(outputs, Tensor)
    return outputs
