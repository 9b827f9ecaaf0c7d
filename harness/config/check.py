"""What a resolved config may hold: checked once, before anything is built from it."""

import math
from typing import TYPE_CHECKING

from harness.errors import UsageError, unknown
from harness.records import schema
from harness.tasks.vision import data
from harness.training import learning_rate
from methods import Method, methods

if TYPE_CHECKING:
    from harness.config.compose import BudgetConfig, RecipeConfig, RunConfig

DEVICES = ("auto", "cpu", "cuda")
LOADERS = ("auto", "dali", "torchvision")
OPTIMIZERS = ("sgd", "adamw")

# Above these an amount is a slip of the keyboard, not a budget.
_LARGEST = {"epochs": 100_000, "steps": 1_000_000_000, "flops": 10_000, "seconds": 90 * 86_400}


def check(run: "RunConfig") -> None:
    """Check what types cannot say; a method checks its own hyper-parameters, the data set its own fields.

    Raises:
        UsageError: A value is out of range; the message names it and what is allowed.
    """
    if not isinstance(run.method, Method):
        raise unknown("method", run.method, methods())
    if not 0 <= run.sparsity < 1:
        raise UsageError(f"sparsity {run.sparsity} is not in [0, 1)")
    try:
        run.method.rewinding(1 - run.sparsity)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not 0 <= run.seed < 2**63:
        raise UsageError(f"seed {run.seed} is not in 0...2^63-1")
    if run.device not in DEVICES:
        raise unknown("device", run.device, DEVICES)
    if run.loader not in LOADERS:
        raise unknown("loader", run.loader, LOADERS)
    data.check_loader(vars(run.dataset), run.loader)
    _positive("evaluations", run.evaluations)
    _positive("packed", run.packed)
    _not_negative("workers", run.workers)
    _not_negative("checkpoint_seconds", run.checkpoint_seconds)
    if run.runner.timeout is not None:
        _positive("runner.timeout", run.runner.timeout)
    _check_dataset(run)
    _check_recipe(run.recipe)
    _check_budget(run.budget)


def _check_dataset(run: "RunConfig") -> None:
    shape = run.dataset.shape
    if len(shape) != 3 or min(shape) < 1:
        raise UsageError(f"dataset.shape {shape} is not channels, height and width")
    if run.dataset.classes < 2:
        raise UsageError(f"dataset.classes {run.dataset.classes} is not 2 or more")


def _check_recipe(recipe: "RecipeConfig") -> None:
    for name, value, allowed in (
        ("recipe.optimizer", recipe.optimizer, OPTIMIZERS),
        ("recipe.lr_shape", recipe.lr_shape, learning_rate.SHAPES),
    ):
        if value not in allowed:
            raise unknown(name, value, allowed)
    for name in ("epochs", "batch_size", "lr", "gamma"):
        _positive(f"recipe.{name}", getattr(recipe, name))
    if recipe.threads is not None:
        _positive("recipe.threads", recipe.threads)
    _not_negative("recipe.weight_decay", recipe.weight_decay)
    for name in ("momentum", "label_smoothing"):
        if not 0 <= getattr(recipe, name) < 1:
            raise UsageError(f"recipe.{name} {getattr(recipe, name)} is not in [0, 1)")
    if recipe.nesterov and not recipe.momentum:
        raise UsageError("recipe.nesterov needs recipe.momentum above 0")
    if not 0 <= recipe.warmup_epochs < recipe.epochs:
        raise UsageError(f"recipe.warmup_epochs {recipe.warmup_epochs} is not in [0, {recipe.epochs:g}), the epochs")
    for milestone in recipe.milestones:
        if not 0 <= milestone <= 1:
            raise UsageError(f"recipe.milestones: {milestone} is not in [0, 1]; they are shares of the schedule")


def _check_budget(budget: "BudgetConfig") -> None:
    if budget.kind not in schema.BUDGET_KINDS:
        raise unknown("budget kind", budget.kind, schema.BUDGET_KINDS)
    _positive("budget.amount", budget.amount)
    _positive("budget.stretch", budget.stretch)
    if budget.rounds not in schema.BUDGET_ROUNDS:
        raise unknown("budget.rounds", budget.rounds, schema.BUDGET_ROUNDS)
    largest = _LARGEST[budget.kind]
    if budget.amount * budget.stretch > largest:
        raise UsageError(f"budget {budget.kind}:{budget.amount:g} is over the largest allowed, {largest:g}")


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} {value} is not a positive number")


def _not_negative(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{name} {value} is negative or no number")
