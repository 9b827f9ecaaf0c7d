"""A run made ready: its model, what of it is masked, what that costs, and the budget in its own units."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from harness.budget import costs as flops
from harness.budget import size as budget
from harness.budget.clock import Schedule
from harness.budget.course import Course
from harness.config.compose import RunConfig
from harness.errors import UsageError
from harness.tasks.vision import data, models
from methods.parts.distributions import layer_counts

# Costs do not depend on the weights: a plan of a hundred runs measures each architecture once.
_measured: dict[tuple[str, int, tuple[int, ...], tuple[str, ...]], flops.Costs] = {}


@dataclass(frozen=True)
class Task:
    """What training and forecasting both start from.

    Attributes:
        model: Initialised from the run's seed, on the CPU.
        layers: The masked weights by name, in model order.
        costs: Dense costs.
        budget: In its own units.
        train_samples: Images in the training split.
    """

    model: nn.Module
    layers: list[tuple[str, nn.Parameter]]
    costs: flops.Costs
    budget: budget.Budget
    train_samples: int

    def course(self, run: RunConfig) -> Course:
        """Return the run's course, at its start."""
        return Course(
            run.method,
            1 - run.sparsity,
            self.budget,
            self.costs,
            train_samples=self.train_samples,
            batch_size=run.recipe.batch_size,
        )

    def describe(self) -> dict[str, Any]:
        """Return what a record adds to its config so that anyone can recompute the ledger."""
        return {
            "layers": [
                {"name": layer.name, "shape": list(layer.shape), "weights": layer.weights, "uses": layer.uses}
                for layer in self.costs.layers
            ],
            "fixed_flops": self.costs.fixed,
            "train_samples": self.train_samples,
        }


def prepare(run: RunConfig) -> Task:
    """Build the model, measure it and size the budget.

    Raises:
        UsageError: Model, budget, distribution or layer names do not fit together.
    """
    model = models.build(run.model.name, run.dataset.classes, run.dataset.shape, run.seed)
    names = {name for name, _ in models.maskable(model)}
    for name in run.dense_layers:
        if name not in names:
            raise UsageError(f"dense_layers: {run.model.name} has no maskable weight {name!r}")
    layers = models.maskable(model, run.dense_layers)
    if not layers:
        raise UsageError(f"dense_layers: they are all maskable weights of {run.model.name}; leave one to mask")
    architecture = (run.model.name, run.dataset.classes, tuple(run.dataset.shape), tuple(run.dense_layers))
    if architecture not in _measured:
        _measured[architecture] = flops.measure(model, [name for name, _ in layers], run.dataset.shape)
    costs = _measured[architecture]
    train_samples = data.info(asdict(run.dataset)).train_samples
    schedule = Schedule(run.method.rewinding(1 - run.sparsity))
    sized = budget.size(
        run.budget,
        schedule,
        epochs=run.recipe.epochs,
        train_samples=train_samples,
        batch_size=run.recipe.batch_size,
        costs=costs,
        shortest=min([schedule.shortest, *(1 - mark for mark in run.method.marks())]),
    )
    _check_densities(run, costs)
    return Task(model, layers, costs, sized, train_samples)


def _check_densities(run: RunConfig, costs: flops.Costs) -> None:
    shapes = [layer.shape for layer in costs.layers]
    target = 1 - run.sparsity
    try:
        for density in (run.method.initial_density(target), target):
            layer_counts(shapes, run.method.layer_densities(shapes, density), density)
    except ValueError as error:
        raise UsageError(f"sparsity {run.sparsity:g} on {run.model.name}: {error}") from None
