"""The loss that a run differentiates: that of its task, with the settings of its recipe."""

from collections.abc import Callable

import torch
from torch import Tensor

from harness.config import RunConfig
from harness.tasks import base
from harness.tasks.classification import Classification
from harness.tasks.losses import LOSSES

Objective = Callable[[Tensor, Tensor], Tensor]
"""Returns the mean loss of outputs and targets."""


def objective(run: RunConfig) -> Objective:
    """Return the loss of a run."""
    task = base.of(vars(run.dataset))
    loss: Callable[..., Tensor] = task.loss
    settings = {"smoothing": run.recipe.label_smoothing} if task.smooths else {}
    if run.recipe.loss in LOSSES:  # of a classification (`harness.config.check`)
        loss, settings = LOSSES[run.recipe.loss], {}
    elif isinstance(task, Classification):  # whose cross entropy computes in float32 itself
        return lambda outputs, targets: loss(outputs, targets, **settings)
    return lambda outputs, targets: loss(_precise(outputs), targets, **settings)


def _precise(outputs: Tensor) -> Tensor:
    """Return outputs in float32 at least, whatever the network computes in."""
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))
