"""A run made ready: its model, what of it is masked, what that costs, and the budget in its own unit.

An epoch's last batch holds the images that remain, with the batch before it if they are few (`harness.budget.epoch`).
What cannot train on it is refused, and what was joined is noted, before anything is trained.
"""

import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from harness.budget import probe
from harness.budget.costs import Costs
from harness.budget.course import Course
from harness.budget.epoch import last_batch, steps_per_epoch
from harness.budget.kinds import kind
from harness.budget.measure import measure
from harness.budget.parts import Layers, select
from harness.budget.schedule import Schedule
from harness.budget.size import Budget, size
from harness.budget.tracing import is_small
from harness.config import RunConfig
from harness.errors import UsageError
from harness.tasks import data, models
from harness.training.ranks import smallest_part


@dataclass(frozen=True)
class Sized:
    """What a run costs and may spend; working it out takes no model of the run's own seed.

    Attributes:
        costs: Dense costs.
        budget: In its own unit.
        train_samples: Images in the training split.
        notes: What its user should know, a line each.
        reference: Dense costs of the net that sparsity, budget and ratios refer to: `costs` itself, unless the run is
            of a narrower net that is compared with it.
    """

    costs: Costs
    budget: Budget
    train_samples: int
    notes: tuple[str, ...]
    reference: Costs

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
        return self.costs.described(self.train_samples)


@dataclass(frozen=True)
class Task(Sized):
    """What training starts from.

    Attributes:
        model: Initialised from the run's seed, on the CPU.
        layers: The masked weights by name, in model order.
    """

    model: nn.Module
    layers: Layers


def prepare(run: RunConfig, costs: Costs | None = None) -> Task:
    """Build the model, measure it, unless another process has and says its ``costs``, and size the budget.

    Raises:
        UsageError: Model, budget, batches, distribution or layer names do not fit together.
    """
    architecture = _Architecture.of(run)
    model = architecture.build(run.seed)
    if architecture not in _measured:
        _measured[architecture] = costs or architecture.measure(model)
    return Task(**vars(sized(run)), model=model, layers=architecture.layers(model))


def sized(run: RunConfig) -> Sized:
    """Work out all of a run but its model.

    Raises:
        UsageError: See `prepare`.
    """
    costs, reference = measured(run), reference_costs(run)
    if run.graph and costs.host_random:
        raise UsageError(
            f"graph=true would repeat what {run.model.name} draws at random (or decides) on the host in one step for "
            f"all steps: set graph=false"
        )
    train_samples = data.info(asdict(run.dataset)).train_samples
    target = 1 - run.sparsity
    probe.check(run.method, target, costs, train_samples, run.recipe.batch_size)
    schedule = Schedule(run.method.rewinding(target))
    budget = size(
        kind(run.budget.kind),
        run.budget.amount,
        schedule,
        epochs=run.recipe.epochs,
        train_samples=train_samples,
        batch_size=run.recipe.batch_size,
        costs=reference,
        stretch=run.budget.stretch * run.budget_share,
        rounds=run.budget.rounds,
        shortest=min([schedule.shortest, *(1 - mark for mark in run.method.marks())]),
    )
    notes = [
        *data.notes(asdict(run.dataset)),
        *_check_densities(run, costs, reference),
        *_check_rest(run, budget, train_samples),
    ]
    return Sized(costs, budget, train_samples, (*costs.notes, *notes), reference)


def measured(run: RunConfig) -> Costs:
    """Return the dense costs of a run's model: each architecture is measured once in a process.

    Raises:
        UsageError: The model cannot be built, measured, or masked.
    """
    architecture = _Architecture.of(run)
    if architecture not in _measured:
        _measured[architecture] = architecture.measure_unbuilt()
    return _measured[architecture]


def reference_costs(run: RunConfig) -> Costs:
    """Return the dense costs that sparsity, budget and ratios of a run refer to: those of the net at its full width.

    Raises:
        UsageError: See `measured`.
    """
    return measured(replace(run, model=replace(run.model, width=1.0)) if run.reference else run)


def initial_weights(run: RunConfig) -> list[torch.Tensor]:
    """Return the masked weights of a run's model as initialised from seed 0; built once for each architecture."""
    measured(run)
    return _initial_weights(_Architecture.of(run))


@dataclass(frozen=True)
class _Architecture:
    """What costs depend on: everything about a model but its weights."""

    model: str
    builder: Callable[..., nn.Module] | None
    classes: int
    shape: tuple[int, ...]
    dense_layers: tuple[str, ...]
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, run: RunConfig) -> "_Architecture":
        name, dataset, dense = run.model.name, run.dataset, tuple(run.dense_layers)
        options = tuple((key, _hashable(value)) for key, value in run.model.options().items())
        return cls(name, models.MODELS.get(name), dataset.classes, tuple(dataset.shape), dense, options)

    def build(self, seed: int = 0, device: str = "cpu") -> nn.Module:
        return models.build(self.model, self.classes, self.shape, seed, device, **dict(self.options))

    def measure(self, model: nn.Module) -> Costs:
        return measure(model, self.shape, self.dense_layers, classes=self.classes)

    def measure_unbuilt(self) -> Costs:
        """Measure without values, of which large models have many, if the model can be built and run so."""
        with suppress(Exception):  # whatever a model raises without values; with values it tells the truth
            with warnings.catch_warnings(action="ignore"):  # as of weights that are loaded into nothing
                model = self.build(device="meta")
            # What makes the first passes without values slow for small ones (see `is_small`) may have happened already.
            if not is_small(model) or "torch._dynamo" in sys.modules:
                return self.measure(model)
        return self.measure(self.build())

    def layers(self, model: nn.Module) -> Layers:
        """Return the masked weights of a model that was measured."""
        return select(model, [layer.name for layer in _measured[self].layers])


_measured: dict[_Architecture, Costs] = {}


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_densities(run: RunConfig, costs: Costs, reference: Costs) -> list[str]:
    """Refuse a sparsity that the layers cannot have; note the layers that it leaves without a weight."""
    maskable = sum(layer.weights for layer in reference.layers)
    target = 1 - run.sparsity
    if target * maskable < 1 - 1e-6:
        raise UsageError(
            f"sparsity {run.sparsity:g} leaves none of the {maskable:,} weights of {run.model.name}; "
            f"the highest sparsity that leaves one is {1 - 1 / maskable:.9g}"
        )
    empty: dict[str, None] = {}
    try:
        for density in (run.method.initial_density(target), target):
            counts = run.method.layer_counts(costs.shapes, density)
            empty |= {layer.name: None for layer, kept in zip(costs.layers, counts, strict=True) if not kept}
    except ValueError as error:
        raise UsageError(f"sparsity {run.sparsity:g} on {run.model.name}: {error}") from None
    if empty and not run.method.prunes_globally:
        return [f"sparsity {run.sparsity:g} leaves no weight in {', '.join(empty)}"]
    return []


def _check_rest(run: RunConfig, budget: Budget, train_samples: int) -> list[str]:
    """Refuse a last batch that the model cannot train on; note one that is larger than the others."""
    batch_size, total = run.recipe.batch_size, budget.clock().total_steps
    ends = total is not None and total < steps_per_epoch(train_samples, batch_size)  # before an epoch's last batch
    last = batch_size if ends else last_batch(train_samples, batch_size)
    if smallest_part(run.nproc, min(last, batch_size)) == 1 and (why := _single_image_error(_Architecture.of(run))):
        where = "the last batch of each epoch holds" if run.nproc == 1 else f"at nproc={run.nproc} a process has"
        raise UsageError(
            f"recipe.batch_size {batch_size}: {where} 1 of {train_samples:,} images, and {run.model.name} cannot train "
            f"on a single one ({why})"
        )
    if last > batch_size:
        rest = f"a rest of {last - batch_size} is too small for a batch of its own"
        return [f"the last batch of each epoch holds {last} images: {rest}"]
    return []


@lru_cache(maxsize=8)
def _initial_weights(architecture: _Architecture) -> list[torch.Tensor]:
    return [weight.detach() for _, weight in architecture.layers(architecture.build())]


@lru_cache(maxsize=256)
def _single_image_error(architecture: _Architecture) -> str | None:
    """Return why a model cannot train on a batch of one image, as batch normalisation of one value cannot."""
    model = architecture.build()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            model.train()(torch.zeros(1, *architecture.shape))
    except ValueError as error:
        return str(error).splitlines()[0]
    return None
