"""A run made ready: its model, what of it is masked, what that costs, and the budget in its own unit.

An epoch's last batch holds the samples that remain, with the batch before it if they are few (`harness.budget.epoch`).
What cannot train on it is refused, and what was joined is noted, before anything is trained.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from harness.budget import probe
from harness.budget.costs import Costs
from harness.budget.course import Course
from harness.budget.epoch import last_batch, steps_per_epoch
from harness.budget.kinds import kind
from harness.budget.parts import Layers
from harness.budget.schedule import Schedule
from harness.budget.size import Budget, size
from harness.config import RunConfig
from harness.errors import NAMED, UnfitError, UsageError, listed
from harness.tasks import base, data
from harness.training.architecture import Architecture, measured, single_sample_error
from harness.training.ranks import smallest_part


@dataclass(frozen=True)
class Sized:
    """What a run costs and may spend; working it out takes no model of the run's own seed.

    Attributes:
        costs: Dense costs.
        budget: In its own unit.
        train_samples: Samples in the training split.
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
class Prepared(Sized):
    """What training starts from.

    Attributes:
        model: Initialised from the run's seed, on the CPU.
        layers: The masked weights by name, in model order.
    """

    model: nn.Module
    layers: Layers


def prepare(run: RunConfig, costs: Costs | None = None) -> Prepared:
    """Build the model, measure it, unless another process has and says its ``costs``, and size the budget.

    Raises:
        UsageError: Model, budget, batches, distribution or layer names do not fit together.
    """
    model, layers = Architecture.of(run).prepared(run.seed, costs)
    return Prepared(**vars(sized(run)), model=model, layers=layers)


def sized(run: RunConfig) -> Sized:
    """Work out all of a run but its model.

    Raises:
        UsageError: See `prepare`.
    """
    dataset = asdict(run.dataset)
    data.check_recipe(dataset, run.recipe.augment, run.recipe.label_smoothing)
    costs, reference = measured(run), reference_costs(run)
    check_outputs(run, costs)
    if run.graph and costs.host_random:
        raise UsageError(
            f"graph=true would repeat what {run.model.name} draws at random (or decides) on the host in one step for "
            f"all steps: set graph=false"
        )
    train_samples = data.info(dataset).train_samples
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
        *data.notes(dataset),
        *_check_densities(run, costs, reference),
        *_check_rest(run, budget, train_samples),
    ]
    return Sized(costs, budget, train_samples, (*costs.notes, *notes), reference)


def reference_costs(run: RunConfig) -> Costs:
    """Return the dense costs that sparsity, budget and ratios of a run refer to: those of the net at its full width.

    Raises:
        UsageError: See `measured`.
    """
    return measured(replace(run, model=replace(run.model, width=1.0)) if run.reference else run)


def check_outputs(run: RunConfig, costs: Costs) -> None:
    """Refuse what goes by the inputs of each output where a weight's first dimension may not be that of the outputs.

    Raises:
        UnfitError: A pattern, or ``model.init_fan=mask``, and such a weight that would be masked by it.
    """
    pattern = run.method.pattern(1 - run.sparsity) if run.method.masked else None
    by_mask = run.model.init_fan == "mask"
    others = [layer for layer in costs.layers if not layer.by_output]
    names = [layer.name for layer in others if by_mask or (pattern is not None and pattern.holds_for(layer.shape))]
    if not names:
        return
    what = "model.init_fan=mask scales weights" if by_mask else f"method {run.method.name!r} keeps a pattern"
    first = ", ".join(names[:NAMED])
    raise UnfitError(
        f"{what} by the inputs of each output, but the first dimension of {listed(names)} is not known to be that of "
        f"the outputs, as in transposed convolutions and x @ weight: keep dense what is so with dense_layers=[{first}]"
        f"{', or use model.init_fan=layer' if by_mask else ''}"
    )


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
    what = "images" if base.kind(vars(run.dataset)) == "images" else "samples"
    if smallest_part(run.nproc, min(last, batch_size)) == 1 and (why := single_sample_error(Architecture.of(run))):
        where = "the last batch of each epoch holds" if run.nproc == 1 else f"at nproc={run.nproc} a process has"
        raise UsageError(
            f"recipe.batch_size {batch_size}: {where} 1 of {train_samples:,} {what}, and {run.model.name} cannot train "
            f"on a single one ({why})"
        )
    if last > batch_size:
        rest = f"a rest of {last - batch_size} is too small for a batch of its own"
        return [f"the last batch of each epoch holds {last} {what}: {rest}"]
    return []
