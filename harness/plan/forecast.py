"""Forecasts the cost of a run before it is trained, using the code that will charge it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from harness.budget.costs import Costs
from harness.budget.course import Course
from harness.budget.gradient import gradient_counts
from harness.budget.size import Budget
from harness.errors import UsageError
from methods import Method
from methods.parts.distributions import layer_counts

_BLOCK = 500  # iterations booked at once where a method has no interval


@dataclass(frozen=True)
class Forecast:
    """Costs of a run before it is trained.

    Attributes:
        train_flops: Of the whole run; None under a budget whose number of steps only the machine knows.
        active: Active weights of each layer at the end.
    """

    train_flops: int | None
    active: list[int]


def forecast(
    method: Method,
    sparsity: float,
    budget: Budget,
    costs: Costs,
    weights: Sequence[Tensor],
    *,
    train_samples: int,
    batch_size: int,
) -> Forecast:
    """Walk through a run's schedule from event to event and book its iterations.

    Exact where the method fixes layer densities. Where magnitudes do (GMP, GraNet, rewinding, ``magnitude_init``), they
    are estimated from the untrained weights, since no other are known yet; where other scores do (SNIP, GraSP,
    SynFlow), by ERK.

    Args:
        method: The method.
        sparsity: Target.
        budget: What the run may spend.
        costs: Dense costs of the model.
        weights: The masked weights as initialised, in model order.
        train_samples: Samples in the training split.
        batch_size: Samples an iteration.

    Raises:
        UsageError: The budget is too small for what the method computes before the first step, or a hook returned
            what cannot be.
    """
    walk = _Walk(method, 1 - sparsity, costs, weights)
    if budget.kind.timed:
        return Forecast(None, walk.final())
    course = Course(method, 1 - sparsity, budget, costs, train_samples=train_samples, batch_size=batch_size)
    while not course.clock.done:
        # All of an interval at once where nothing happens in it, else step by step.
        block = method.interval - course.ledger.steps % method.interval - 1 if method.interval else _BLOCK
        if block > 1 and course.skip(walk.active, block, walk.gradient):
            continue
        for _ in range(max(block, 1)):
            if course.clock.done:
                break
            iteration = course.next(walk.active, walk.gradient)
            if course.take(iteration):
                walk.move(method.density(iteration.moment, 1 - sparsity))
    return Forecast(course.ledger.flops, walk.active)


class _Walk:
    """Layer densities of a run that is not trained."""

    def __init__(self, method: Method, target: float, costs: Costs, weights: Sequence[Tensor]) -> None:
        self._method, self._target = method, target
        self._shapes = costs.shapes
        self._sizes = [layer.weights for layer in costs.layers]
        self._names = [layer.name for layer in costs.layers]
        initial = _density(method, "initial_density", method.initial_density(target))
        self._base = method.layer_densities(self._shapes, initial) if initial < 1 else [1.0] * len(self._sizes)
        self.active = method.layer_counts(self._shapes, initial) if initial < 1 else list(self._sizes)
        if initial < 1 and method.keeps_largest():
            self._base = [1.0] * len(self._sizes)
            self.active = layer_counts(self._shapes, _Magnitudes(weights, self._base).densities(initial), initial)
        self._magnitudes = _Magnitudes(weights, self._base) if method.prunes_globally else None
        self.gradient = self._gradient()

    def move(self, density: float | None) -> None:
        """Go on to another global density."""
        if density is None:
            return
        density = _density(self._method, "density", density)
        if density == 1:
            self.active = list(self._sizes)
        elif self._magnitudes is not None:
            self.active = layer_counts(self._shapes, self._magnitudes.densities(density), density)
        else:
            self.active = self._method.layer_counts(self._shapes, density, self.active)
        self.gradient = self._gradient()

    def final(self) -> list[int]:
        """Active weights at the target density."""
        self.move(self._target)
        return self.active

    def _gradient(self) -> list[int] | None:
        """Weights of each layer whose gradient is computed; None for the active ones."""
        return gradient_counts(self._method, self._shapes, self.active, self._target, names=self._names)


def _density(method: Method, hook: str, value: float) -> float:
    """Return what a hook of a method returned, if it is a density; no layer could have any other."""
    if not isinstance(value, float | int) or not 0 < value <= 1:
        shown = repr(value)[:80]
        raise UsageError(f"method {method.name!r}: {hook} returned {shown}, which is not a density in (0, 1]")
    return value


class _Magnitudes:
    """Where one threshold on the magnitudes of untrained weights falls in each layer."""

    def __init__(self, weights: Sequence[Tensor], base: Sequence[float]) -> None:
        """Sort a sample of each weight.

        Args:
            weights: Of the masked layers.
            base: Densities before any pruning.
        """
        self._base = np.array(base)
        self._sizes = np.array([weight.numel() for weight in weights])
        self._samples = [_sample(weight) for weight in weights]
        values = np.concatenate(self._samples)
        # Of the global density, what each sampled weight stands for.
        shares = [
            np.full(len(sample), density * size / len(sample))
            for sample, density, size in zip(self._samples, base, self._sizes, strict=True)
        ]
        order = np.argsort(values)[::-1]
        self._values = values[order]
        self._kept = np.cumsum(np.concatenate(shares)[order]) / self._sizes.sum()

    def densities(self, density: float) -> list[float]:
        """Return the layer densities above the threshold that leaves a global density."""
        threshold = self._values[min(int(np.searchsorted(self._kept, density)), len(self._values) - 1)]
        above = [1 - np.searchsorted(sample, threshold) / len(sample) for sample in self._samples]
        found = self._base * above
        # Samples are coarser than weights: what they miss is spread over all layers.
        found *= density * self._sizes.sum() / (found * self._sizes).sum()
        return [float(value) for value in np.minimum(found, 1.0)]


def _sample(weight: Tensor, most: int = 10_000) -> np.ndarray:
    """Return sorted magnitudes of an evenly spaced part of a weight."""
    flat = weight.detach().reshape(-1)
    return np.sort(flat[:: math.ceil(flat.numel() / most)].abs().double().numpy())
