"""What a method's probe of the untrained network takes up (`methods.Probe`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.budget.costs import Costs
from harness.budget.epoch import budget_samples, last_batch, steps_per_epoch
from harness.budget.kinds import Usage
from harness.errors import UnfitError, UsageError

if TYPE_CHECKING:
    from methods import Method, Probe

_HESSIAN = 3
"""Dense training samples that a sample's gradient and the Hessian times it cost: a backward pass of the first."""

_REPEATED = 4
"""The same where the samples are more than a batch: the product needs the whole gradient, which is then there first."""


def usage(probe: Probe | None, costs: Costs, *, train_samples: int, batch_size: int) -> Usage:
    """Return what a probe takes up: training samples and FLOPs, no iterations.

    Each sample costs a dense training sample, three times that with the Hessian's product, or four times where the
    samples are more than a batch; a data-free pass costs a dense training sample too.

    Args:
        probe: What the method asks for; None for nothing.
        costs: Dense costs of the model.
        train_samples: Images in the training split.
        batch_size: Images of an iteration.
    """
    if probe is None:
        return Usage()
    if probe.per_class:
        samples = probe.per_class * (costs.classes or 0)
    else:
        samples = budget_samples(probe.batches, train_samples, batch_size)
    dense = costs.training([layer.weights for layer in costs.layers])
    hessian = _HESSIAN if is_one_batch(probe, costs.classes or 0, batch_size) else _REPEATED
    return Usage(samples=samples, flops=dense * (samples * (hessian if probe.hessian else 1) + probe.flows))


def is_one_batch(probe: Probe, classes: int, batch_size: int) -> bool:
    """Return whether the samples of a probe are no more than a batch, so that one graph gives all derivatives."""
    return probe.per_class * classes <= batch_size if probe.per_class else probe.batches <= 1


def check(method: Method, target: float, costs: Costs, train_samples: int, batch_size: int) -> None:
    """Refuse a probe of more samples than the training split has, as far as their number tells.

    Args:
        method: Asks for the probe.
        target: Density at the end.
        costs: See `usage`, like the rest.
        train_samples: See `usage`.
        batch_size: See `usage`.

    Raises:
        UsageError: There are too few samples.
        UnfitError: The samples have no classes.
    """
    probe = method.probe(target) if target < 1 else None
    if probe is None:
        return
    most = full_batches(train_samples, batch_size)
    if probe.batches > most:
        raise UsageError(
            f"method {method.name} probes {probe.batches:,} batches of {batch_size} samples; an epoch has {most} of "
            "that size"
        )
    if probe.per_class and costs.classes is None:
        raise UnfitError(
            f"method {method.name} probes {probe.per_class:,} samples of each class, and the samples of this data set "
            "have no classes"
        )
    if probe.per_class * (costs.classes or 0) > train_samples:
        raise UsageError(
            f"method {method.name} probes {probe.per_class:,} samples of each of {costs.classes} classes; the training "
            f"split has {train_samples:,}"
        )


def full_batches(samples: int, batch_size: int) -> int:
    """Return the batches of an epoch that have exactly the recipe's size; a probe may request no more."""
    return steps_per_epoch(samples, batch_size) - (last_batch(samples, batch_size) != batch_size)
