"""What a run will cost, by the code that will charge it, before anything is trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.budget.costs import Costs
from harness.budget.course import Course
from harness.budget.size import Budget
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

    Exact where the method fixes layer densities. Where global magnitude does (GMP, GraNet, rewinding), they are
    estimated from the magnitudes of the untrained weights, since no other are known yet.

    Args:
        method: The method.
        sparsity: Target.
        budget: What the run may spend.
        costs: Dense costs of the model.
        weights: The masked weights as initialised, in model order.
        train_samples: Images in the training split.
        batch_size: Images an iteration.
    """
    walk = _Walk(method, 1 - sparsity, costs, weights)
    if budget.kind.timed:
        return Forecast(None, walk.final())
    course = Course(method, 1 - sparsity, budget, costs, train_samples=train_samples, batch_size=batch_size)
    while not course.clock.done:
        # All of an interval at once where nothing happens in it, else step by step.
        block = method.interval - course.ledger.steps % method.interval - 1 if method.interval else _BLOCK
        if block > 1 and course.skip(walk.active, block):
            continue
        for _ in range(max(block, 1)):
            if course.clock.done:
                break
            iteration = course.next(walk.active)
            if course.take(iteration):
                walk.move(method.density(iteration.moment, 1 - sparsity))
    return Forecast(course.ledger.flops, walk.active)


class _Walk:
    """Layer densities of a run that is not trained."""

    def __init__(self, method: Method, target: float, costs: Costs, weights: Sequence[Tensor]) -> None:
        self._method, self._target = method, target
        self._shapes = [layer.shape for layer in costs.layers]
        self._sizes = [layer.weights for layer in costs.layers]
        initial = method.initial_density(target)
        self._base = method.layer_densities(self._shapes, initial) if initial < 1 else [1.0] * len(self._sizes)
        self.active = layer_counts(self._shapes, self._base, initial)
        self._magnitudes = [_sample(weight) for weight in weights] if method.prunes_globally else []

    def move(self, density: float | None) -> None:
        """Go on to another global density."""
        if density is None:
            return
        if self._method.prunes_globally:
            densities = self._by_magnitude(density)
        else:
            densities = self._method.layer_densities(self._shapes, density)
        self.active = layer_counts(self._shapes, densities, density)

    def final(self) -> list[int]:
        """Active weights at the target density."""
        self.move(self._target)
        return self.active

    def _by_magnitude(self, density: float) -> list[float]:
        """Densities above the one threshold that leaves ``density``, found by bisection."""
        low, high = 0.0, max(float(sample[-1]) for sample in self._magnitudes)
        densities, kept = self._base, density
        for _ in range(60):
            threshold = (low + high) / 2
            densities = [
                base * (1 - int(torch.searchsorted(sample, threshold)) / len(sample))
                for base, sample in zip(self._base, self._magnitudes, strict=True)
            ]
            kept = sum(d * n for d, n in zip(densities, self._sizes, strict=True)) / sum(self._sizes)
            low, high = (threshold, high) if kept > density else (low, threshold)
        # Samples are coarser than weights: what they miss is spread over all layers.
        return [min(d * density / kept, 1.0) for d in densities]


def _sample(weight: Tensor, most: int = 10_000) -> Tensor:
    """Return sorted magnitudes of an evenly spaced part of a weight."""
    flat = weight.detach().reshape(-1).abs()
    return flat[:: math.ceil(flat.numel() / most)].sort().values
