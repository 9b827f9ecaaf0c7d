"""What a method's probe of the untrained network takes up (`methods.Probe`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.budget.costs import Costs
from harness.budget.epoch import budget_samples
from harness.budget.kinds import Usage

if TYPE_CHECKING:
    from methods import Probe

HESSIAN = 3
"""Gradients that a gradient and the Hessian times it cost together: the product is a backward pass of the first."""


def usage(probe: Probe | None, costs: Costs, *, train_samples: int, batch_size: int) -> Usage:
    """Return what a probe takes up: training images and FLOPs, no iterations.

    Each image costs a dense training image, three times that with the Hessian's product; a data-free pass costs a
    dense training image too.

    Args:
        probe: What the method asks for; None for nothing.
        costs: Dense costs of the model.
        train_samples: Images in the training split.
        batch_size: Images of an iteration.
    """
    if probe is None:
        return Usage()
    if probe.per_class:
        images = probe.per_class * (costs.classes or 0)
    else:
        images = budget_samples(probe.batches, train_samples, batch_size)
    dense = costs.training([layer.weights for layer in costs.layers])
    return Usage(samples=images, flops=dense * (images * (HESSIAN if probe.hessian else 1) + probe.flows))
