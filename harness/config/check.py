"""Limits on the values of a resolved config, checked once, before anything is built from it."""

import re
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from harness import extras, plugins
from harness.budget import kinds
from harness.config.check_method import check_read
from harness.config.check_model import check_init_fan, check_model
from harness.config.check_recipe import at_most, check_recipe
from harness.config.numbers import not_negative, positive
from harness.config.schema import APPLIED, BudgetConfig, DatasetConfig, RecipeConfig, RunConfig
from harness.errors import UnfitError, UsageError, short, unknown
from harness.records import reliability
from harness.records.metrics import CLASSIFICATION
from harness.vocabulary import BUDGET_ROUNDS, DEVICES, KEPT, LOADERS, RUNNERS, TRACKERS
from methods import Method, Pattern, Probe, Rewinding, methods

CHOICES = ("auto", *RUNNERS)
_WORKERS_PER_CORE = 16
_LARGEST = 2**63
_APPLIED = {f"recipe.{name}" for name in APPLIED}
LEAST_SIDE = 8
"""Pixels of the shorter side of an image that can be corrupted."""


def check(run: RunConfig) -> None:
    """Check what types cannot say; a method checks its own hyper-parameters, the data set its own fields.

    Raises:
        UsageError: A value is out of range; the message names it and what is allowed.
        UnfitError: The method cannot have the sparsity, or the task; or it does not read a setting.
    """
    check_plain(run)
    if not isinstance(run.method, Method):
        raise unknown("method", run.method, methods())
    _check_method(run)
    check_read(run)
    if run.runner.name not in CHOICES:
        raise unknown("runner", run.runner.name, CHOICES)
    if run.runner.timeout is not None:
        positive("runner.timeout", run.runner.timeout)
    _check_dataset(run.dataset)
    _check_probe(run)
    check_model(run.model)
    check_init_fan(run)
    check_recipe(run.recipe)
    _check_loss(run)
    if run.nproc > run.recipe.batch_size:
        raise UsageError(f"nproc {run.nproc} is over recipe.batch_size {run.recipe.batch_size}, which it divides")
    _check_budget(run.budget)
    if run.corruptions:
        check_corruptible(run.dataset)
    _check_numbers("", vars(run))


def check_plain(run: RunConfig) -> None:
    """Check the settings that belong to no group, which needs nothing composed.

    Raises:
        UsageError: See `check`.
    """
    if not 0 <= run.sparsity < 1:
        hint = f"; did you mean {run.sparsity / 100:g}?" if 1 < run.sparsity < 100 else ""
        raise UsageError(f"sparsity {run.sparsity} is not in [0, 1){hint}")
    if not 0 <= run.seed < 2**63:
        raise UsageError(f"seed {run.seed} is not in 0...2^63-1")
    for name, allowed in (("device", DEVICES), ("loader", LOADERS), ("keep", KEPT)):
        if getattr(run, name) not in allowed:
            raise unknown(name, getattr(run, name), allowed, {"gpu": "cuda"})
    if run.corruptions and not run.test:
        raise UsageError("corruptions=true scores the test set, which test=false leaves alone: drop one of them")
    positive("evaluations", run.evaluations)
    positive("packed", run.packed)
    _check_nproc(run)
    not_negative("checkpoint_seconds", run.checkpoint_seconds)
    at_most("workers", run.workers, _WORKERS_PER_CORE, least=0)
    for name in TRACKERS:
        _check_tracker(name, getattr(run, name))
    if not run.output:
        raise UsageError("output is empty; name a folder, for example output=results")


def _check_nproc(run: RunConfig) -> None:
    at_most("nproc", run.nproc, _WORKERS_PER_CORE)
    if run.nproc == 1:
        return
    if run.graph:
        raise UsageError(
            f"graph=true records the steps of one process, nproc={run.nproc} has several: drop one of them"
        )
    if run.runner.gpu is not None:
        raise UsageError(f"runner.gpu names one GPU, nproc={run.nproc} takes {run.nproc}: use CUDA_VISIBLE_DEVICES")


def _check_tracker(name: str, where: str) -> None:
    """Check where a run is exported to; nobody is asked over a network."""
    if not where:
        return
    extras.require(name)
    if name == "tensorboard" and Path(where).exists() and not Path(where).is_dir():
        raise UsageError(f"tensorboard={short(where)}: is a file; name a folder, for example tensorboard=tb")
    if name == "wandb" and not re.fullmatch(r"([^/]+/)?[^/]+", where):
        raise UsageError(f"wandb={short(where)} is not PROJECT or ENTITY/PROJECT")


def _check_method(run: RunConfig) -> None:
    """Ask a method for what it declares of the sparsity, which it refuses by a ValueError where it cannot have it."""
    target = 1 - run.sparsity
    try:
        for hook, declared in (("rewinding", Rewinding), ("pattern", Pattern), ("probe", Probe)):
            answer = getattr(run.method, hook)(target)
            if answer is not None and not isinstance(answer, declared):
                raise ValueError(f"method {run.method.name!r}: {hook} returned {_shown(answer)}, not a {hook}")
        for mark in run.method.marks():
            if not 0 <= mark <= 1:
                raise ValueError(f"method {run.method.name!r}: marks returned {_shown(mark)}, not a position in [0, 1]")
    except ValueError as error:
        named = "" if run.method.name in str(error) else f"method {run.method.name!r}: "
        raise UnfitError(f"{named}{error}") from None
    except Exception as error:
        if not plugins.is_foreign(run.method):
            raise
        raise plugins.unusable(run.method, error) from None


def _check_loss(run: RunConfig) -> None:
    """Refuse a loss of classifications for another task, which has its own, and corruptions with it."""
    if run.dataset.task != CLASSIFICATION and run.recipe.loss != RecipeConfig.loss:
        raise UsageError(
            f"recipe.loss={run.recipe.loss}: is of classifications, and the task {run.dataset.task} of "
            f"{run.dataset.name} has its own; leave recipe.loss={RecipeConfig.loss}"
        )
    if run.corruptions and run.recipe.loss != RecipeConfig.loss:
        raise UsageError(f"corruptions=true: {reliability.unmeasured(run.dataset.task, run.recipe.loss)}")


def _check_dataset(dataset: DatasetConfig) -> None:
    images = len(dataset.mean) > 0
    if (images and len(dataset.shape) != 3) or min(dataset.shape, default=0) < 1:
        wanted = (
            "channels, height and width of images, which dataset.mean is of"
            if images
            else "the sides of an input, 1 and more"
        )
        raise UsageError(f"dataset.shape {dataset.shape} is not {wanted}")
    least = 2 if dataset.task == CLASSIFICATION else 1
    if dataset.classes < least:
        raise UsageError(f"dataset.classes {dataset.classes} is not {least} or more")


def _check_probe(run: RunConfig) -> None:
    probe = run.method.probe(1 - run.sparsity) if run.sparsity else None
    if probe is not None and probe.per_class and run.dataset.task != CLASSIFICATION:
        raise UnfitError(
            f"method {run.method.name!r} probes samples of each class, and those of {run.dataset.name} (task "
            f"{run.dataset.task}) have none"
        )


def check_corruptible(dataset: DatasetConfig) -> None:
    """Check that every corruption can be applied to the images of a data set (docs/reliability.md).

    Raises:
        UsageError: It has no images to classify; they have neither 1 nor 3 channels, which JPEG needs, or are smaller
            than a kernel.
    """
    if dataset.task != CLASSIFICATION or not dataset.mean:
        raise UsageError(f"corruptions=true: images that are classified are corrupted, and {dataset.name} has none")
    channels, height, width = dataset.shape
    if channels not in (1, 3):
        raise UsageError(f"corruptions=true: images of {channels} channels are not JPEG's; allowed are 1 and 3")
    if min(height, width) < LEAST_SIDE:
        least = f"{LEAST_SIDE}x{LEAST_SIDE} and more"
        raise UsageError(f"corruptions=true: images of {height}x{width} pixels are too small; allowed are {least}")


def _check_budget(budget: BudgetConfig) -> None:
    largest = kinds.kind(budget.kind).largest
    positive("budget.amount", budget.amount)
    positive("budget.stretch", budget.stretch)
    if budget.rounds not in BUDGET_ROUNDS:
        raise unknown("budget.rounds", budget.rounds, BUDGET_ROUNDS)
    if budget.amount * budget.stretch > largest:
        raise UsageError(f"budget {budget.kind}:{budget.amount:g} is over the largest allowed, {largest:g}")


def _shown(value: object) -> str:
    return " ".join(repr(value).split())[:80]


def _check_numbers(prefix: str, settings: dict[str, Any]) -> None:
    """Refuse numbers that no record can hold; what has been applied is in none."""
    for name, value in settings.items():
        if isinstance(value, int | float):
            if abs(value) >= _LARGEST:
                told = f"{value:.4g} is not below {_LARGEST:.4g}, the largest number of a record"
                raise UsageError(f"{prefix}{name} {told}")
        elif (isinstance(value, dict) or is_dataclass(value)) and f"{prefix}{name}" not in _APPLIED:
            _check_numbers(f"{prefix}{name}.", value if isinstance(value, dict) else vars(value))
