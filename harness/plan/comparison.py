"""Solves what a dense net for comparison needs: the width of a small one, the share of the budget of a short one.

Both follow from the ledger alone, before anything is trained, and go into the run's settings, so that they are part of
its key and whoever reads the record can recount them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from harness import config
from harness.budget.costs import Costs
from harness.budget.epoch import budget_samples, steps_per_epoch
from harness.budget.kinds import Reference, kind
from harness.budget.parts import select
from harness.config import RunConfig
from harness.errors import BuilderError, UnfitError, UsageError, first_line, unknown
from harness.plan.price import Price, price
from harness.records import identity
from harness.tasks import models
from harness.training.architecture import measured
from harness.training.prepare import sized
from methods import build, methods
from methods.comparison import ShortDense, SmallDense

_WIDTHS = range(1, 10_001)  # of ten thousand in a full width: finer than one channel in the widest of layers
_DIGITS = 6  # of a share: enough for a step of most schedules, and no float noise in a key


def solved(run: RunConfig) -> RunConfig:
    """Return a run with its width or its share of the budget; any run but those of `methods.comparison` as it is.

    A run that has been solved before, such as one from a record, stays as it is.

    Raises:
        UnfitError: There is no such net, or no such share.
        UsageError: The settings contradict each other.
    """
    method = run.method
    if isinstance(method, SmallDense) and not run.reference:
        return _narrowed(run, method)
    if isinstance(method, ShortDense) and run.budget_share == 1:
        require(run)
        return replace(run, budget_share=_share(run, method))
    return run


def require(run: RunConfig) -> None:
    """Make sure that a run's width or share can be solved, as far as that takes no data.

    Raises:
        UnfitError, UsageError: See `solved`.
    """
    method = run.method
    if isinstance(method, SmallDense) and not run.reference:
        _narrowed(run, method)
    elif isinstance(method, ShortDense):
        if not kind(run.budget.kind).fixes_steps:
            raise UnfitError(
                f"method {method.name!r} trains for a share of the steps, and budget {run.budget.kind} fixes none; use "
                f"epochs or steps"
            )
        config.checked(_like(run, method))


def notes(run: RunConfig) -> tuple[str, ...]:
    """Say what was solved for a run, in a line; nothing for any other run."""
    method, at = run.method, f"{run.method.name} at sparsity {run.sparsity:g}"
    if isinstance(method, SmallDense) and run.reference:
        weights, of = _weights(measured(run)), run.reference["maskable"]
        width = f"width {run.model.width:g} leaves {weights:,} of {of:,} weights"
        return (f"{at}: {width}, which is sparsity {1 - weights / of:.4g}",)
    if isinstance(method, ShortDense):
        estimated = " (an estimate)" if _price(_like(run, method)).estimated else ""
        return (f"{at}: {run.budget_share:.4g} of the budget, as {method.like} is forecast to cost{estimated}",)
    return ()


def _narrowed(run: RunConfig, method: SmallDense) -> RunConfig:
    """Return a run at the largest width at which its net has no more of ``method.equal`` than the sparse one."""
    if run.model.width != 1:
        raise UsageError(f"method {method.name!r} sets model.width itself: drop model.width={run.model.width:g}")
    full = measured(run)
    try:
        sparse = method.sparse_counts(full.shapes, 1 - run.sparsity)
    except ValueError as error:
        raise UsageError(f"sparsity {run.sparsity:g} on {run.model.name}: {error}") from None

    limit = _size(method.equal, full, sparse)
    options = repr(run.model.options())
    cell = (run.model.name, models.builder(run.model.name), options, tuple(run.dense_layers), method.equal, limit, full)
    if cell not in _solved:
        _solved[cell] = _widest(run, method.equal, full, limit)
    width = _solved[cell]
    if not width:
        least = _size_at(run, 1, method.equal)
        raise UnfitError(
            f"sparsity {run.sparsity:g} leaves fewer {method.equal} than the narrowest {run.model.name} has, {least:,}"
        )
    return replace(_at(run, width), reference=full.as_reference())


_solved: dict[tuple[Any, ...], int] = {}


def _widest(run: RunConfig, equal: str, full: Costs, limit: int) -> int:
    """Return the largest width, in ten-thousandths, at which the measured net has no more than ``limit``; 0 if none.

    Shapes tell it for most models, which a measurement confirms: measuring at every width tried would take long.
    """
    with suppress(Exception):  # whatever a model raises without values, or whose layers have other names when narrow
        likely = bisect_right(_WIDTHS, limit, key=lambda width: _likely_size(run, width, equal, full))
        at = max(likely, 1)
        if _size_at(run, at, equal) == _likely_size(run, at, equal, full):
            return likely
    return bisect_right(_WIDTHS, limit, key=lambda width: _size_at(run, width, equal))


def _likely_size(run: RunConfig, width: int, equal: str, full: Costs) -> int:
    """Return what `_size_at` is if every layer is masked, and used as often, as at full width."""
    shape, factor = run.dataset.shape, width / len(_WIDTHS)
    options = run.model.options() | {"width": factor}
    model = models.build(run.model.name, run.dataset.classes, shape, 0, "meta", **options)
    layers = zip(full.layers, select(model, [layer.name for layer in full.layers]), strict=True)
    if equal == "flops":
        return full.fixed + 2 * sum(layer.uses * weight.numel() for layer, (_, weight) in layers)
    return sum(weight.numel() for _, (_, weight) in layers)


def _size_at(run: RunConfig, width: int, equal: str) -> int:
    costs = _measured_at(run, width)
    return _size(equal, costs, [layer.weights for layer in costs.layers])


def _size(equal: str, costs: Costs, active: Sequence[int]) -> int:
    return costs.forward(active) if equal == "flops" else sum(active)


def _measured_at(run: RunConfig, width: int) -> Costs:
    try:
        return measured(_at(run, width))
    except BuilderError as error:
        raise UnfitError(f"at width {width / len(_WIDTHS):g} {error}") from None


def _at(run: RunConfig, width: int) -> RunConfig:
    return replace(run, model=replace(run.model, width=width / len(_WIDTHS)))


def _weights(costs: Costs) -> int:
    return sum(layer.weights for layer in costs.layers)


def _share(run: RunConfig, method: ShortDense) -> float:
    """Return the share of the budget whose whole steps take no more training FLOPs than the sparse run; at most 1."""
    sparse = _price(_like(run, method)).train_flops
    assert sparse is not None
    ready = sized(run)
    sample = ready.costs.training([layer.weights for layer in ready.costs.layers])
    batches = (ready.train_samples, run.recipe.batch_size)
    most = range(1, int(ready.budget.amount) + 1)
    steps = bisect_right(most, sparse, key=lambda steps: sample * budget_samples(steps, *batches))
    if not steps:
        raise UnfitError(f"method {method.name!r}: {method.like} takes fewer training FLOPs than one dense step")
    return 1.0 if steps == most[-1] else _written(run, steps, steps_per_epoch(*batches))


def _written(run: RunConfig, steps: int, per_epoch: int) -> float:
    """Return the share with the fewest digits, from six on, that leaves so many steps of the budget."""
    budget, of = run.budget, kind(run.budget.kind)
    whole = Reference(of.reference_steps(budget.amount, per_epoch, run.recipe.epochs), 0)
    shares = (float(f"{steps / (whole.steps * budget.stretch):.{digits}g}") for digits in range(_DIGITS, 18))
    return next(share for share in shares if of.size(budget.amount, budget.stretch * share, whole) == steps)


def _like(run: RunConfig, method: ShortDense) -> RunConfig:
    """Return the run whose training FLOPs a short one may spend, with what the recipe sets for its method."""
    others = {name: other for name, other in methods().items() if not isinstance(other, ShortDense)}
    if method.like not in others:
        raise unknown("method.like", method.like, others)
    try:
        like = build({"name": method.like, **(run.recipe.methods.get(method.like) or {})})
    except (TypeError, ValueError) as error:
        raise UsageError(f"method.like={method.like}: {first_line(error)}") from None
    return replace(run, method=like, sparsity=run.sparsity if like.masked else 0.0, budget_share=1.0)


def _price(run: RunConfig) -> Price:
    run = solved(run) if not isinstance(run.method, ShortDense) else run
    return price(run, f"compared {identity.row(config.to_dict(run))}")
