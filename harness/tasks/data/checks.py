"""What is refused before training: settings that the data cannot be served by, data that are not what settings say."""

import math

import numpy as np
import torch
from torch import Tensor

from harness.errors import UsageError, unknown
from harness.records.metrics import CLASSIFICATION
from harness.tasks import base
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config
from harness.tasks.data.order import shares
from harness.vocabulary import VALIDATIONS


def inputs(config: Config, *, decoded: bool) -> None:
    """Check shape and normalisation of a data set's inputs.

    Args:
        config: The resolved ``dataset`` group.
        decoded: Whether images are decoded from files, which always gives three channels.

    Raises:
        UsageError: They cannot be served so.
    """
    kind, shape = base.kind(config), list(config["shape"])
    if kind != "images":
        for field in ("mean", "std"):
            if config[field]:
                raise UsageError(f"dataset.{field}={list(config[field])}: {config['name']} has {kind}, not images")
        return
    if len(shape) != 3:
        raise UsageError(
            f"dataset.shape={shape}: images, which dataset.mean is of, have channels, height and width; inputs of "
            f"other shapes need dataset.mean=[] and dataset.std=[]"
        )
    channels, height, width = shape
    if decoded and channels != 3:
        wanted = f"[3,{height},{width}]"
        raise UsageError(
            f"dataset.shape={shape}: image folders are served in 3 channels, grey ones repeated; "
            f"use dataset.shape={wanted}"
        )
    for field in ("mean", "std"):
        values = list(config[field])
        if len(values) != channels:
            raise UsageError(f"dataset.{field}={values}: one number for each of {channels} channels")
        if not all(math.isfinite(value) and 0 <= value <= 1 for value in values):
            raise UsageError(f"dataset.{field}={values}: allowed are numbers from 0 to 1, as of bytes divided by 255")
    if min(config["std"]) <= 0:
        raise UsageError(f"dataset.std={list(config['std'])}: allowed are numbers above 0")


def parts(config: Config, *, decoded: bool) -> None:
    """Check which samples are taken of a data set, and which of them are held out.

    Args:
        config: The resolved ``dataset`` group.
        decoded: Whether images are decoded from files.

    Raises:
        UsageError: They cannot be taken or held out so.
    """
    name, task = config["name"], base.of(config)
    for field in ("subset", "test_subset"):
        if config.get(field):
            said = f"dataset.{field}={config[field]}"
            if decoded:
                raise UsageError(f"{said}: is of data in memory, and the images of {name} are read from files")
            if task.validation == "last":
                raise UsageError(f"{said}: would mix the parts of {name}; set dataset.train_examples and the others")
    chosen = validation(config)
    if chosen not in VALIDATIONS:
        raise unknown("dataset.validation", chosen, VALIDATIONS)
    if chosen == "stratified" and task.validation != "stratified":
        raise UsageError(f"dataset.validation=stratified: needs classes, which the task {task.name} of {name} has not")
    if task.validation == "last" and chosen != "last":
        why = f"of the task {task.name} the last samples of {name} are held out, a part of its own"
        raise UsageError(f"dataset.validation={chosen}: {why}; allowed are default and last")
    if decoded and chosen != "stratified":
        raise UsageError(
            f"dataset.validation={chosen}: the images of {name} lie in the order of their classes; allowed are default "
            f"and stratified"
        )


def validation(config: Config) -> str:
    """Return which samples of the training set are held out: ``stratified``, ``random`` or ``last``."""
    chosen = str(config.get("validation", "default"))
    return base.of(config).validation if chosen == "default" else chosen


def recipe(config: Config, augment: str, smoothing: float = 0.0) -> None:
    """Refuse settings of a recipe that the task of a data set cannot use.

    Args:
        config: The resolved ``dataset`` group.
        augment: ``recipe.augment``.
        smoothing: ``recipe.label_smoothing``.

    Raises:
        UsageError: One is set.
    """
    kind, task = base.kind(config), base.of(config)
    if augment != "none" and kind != "images":
        raise UsageError(f"recipe.augment={augment}: augments images, and {config['name']} has {kind}; allowed is none")
    if smoothing and not task.smooths:
        raise UsageError(
            f"recipe.label_smoothing={smoothing:g}: spreads labels over classes, which the task {task.name} of "
            f"{config['name']} has not; allowed is 0"
        )


def arrays(config: Config, found: Arrays) -> None:
    """Refuse inputs and targets of another type than the task of a data set has, or that no network can use.

    Raises:
        UsageError: They cannot be trained on.
    """
    kind, task = base.kind(config), base.of(config)
    parts = (
        ("training", found.train_inputs, found.train_targets),
        ("test", found.test_inputs, found.test_targets),
    )
    for part, given, targets in parts:
        if len(given) != len(targets):
            raise UsageError(f"{config['name']} has {len(given)} {part} inputs and {len(targets)} {part} targets")
        if why := objection(kind, given) or _values(kind, given, task.tokens or config["classes"]):
            raise UsageError(f"the {part} inputs of {config['name']} {why}")
    if task.name == CLASSIFICATION:
        _labels(config, found)
        return
    for part, _, targets in parts:
        if targets.is_floating_point():
            if not bool(targets.isfinite().all()):
                raise UsageError(f"the {part} targets of {config['name']} are not all finite")
            continue
        low, high = (int(end) for end in targets.aminmax()) if targets.numel() else (0, 0)
        if not 0 <= low <= high < config["classes"]:
            where = f"the {part} targets of {config['name']} go from {low} to {high}"
            raise UsageError(f"dataset.classes={config['classes']}, but {where}")


def objection(kind: str, given: Tensor) -> str | None:
    """Say why inputs are not of the type of a kind, if so."""
    found = f"are {str(given.dtype).removeprefix('torch.')} {list(given.shape)}"
    if kind == "images":
        wrong = given.dtype != torch.uint8 or given.dim() != 4
        return f"{found}, not images, uint8 [samples, height, width, channels]" if wrong else None
    if kind == "values":
        return f"{found}, not values, float32" if given.dtype != torch.float32 else None
    return f"{found}, not tokens, integers" if given.is_floating_point() or given.dtype == torch.bool else None


def _values(kind: str, given: Tensor, tokens: int) -> str | None:
    """Say which values of inputs no network can take, if any."""
    if kind == "images":
        return None
    if kind == "values":
        return None if bool(given.isfinite().all()) else "are not all finite"
    low, high = (int(end) for end in given.aminmax()) if given.numel() else (0, 0)
    return None if 0 <= low <= high < tokens else f"go from {low} to {high}, not from 0 to {tokens - 1}"


def _labels(config: Config, found: Arrays) -> None:
    """Refuse labels that a model of ``dataset.classes`` outputs has no place for, and outputs that no label trains."""
    for part, labels in (("training", found.train_targets), ("test", found.test_targets)):
        if labels.dtype != torch.int64 or labels.dim() != 1:
            said = f"{str(labels.dtype).removeprefix('torch.')} {list(labels.shape)}"
            raise UsageError(f"the {part} labels of {config['name']} are {said}, not one int64 for each sample")
        low, high = (int(end) for end in labels.aminmax()) if len(labels) else (0, 0)
        unused = part == "training" and high + 1 < config["classes"]
        if part == "training" and config.get("subset"):
            _every_class(config, labels, low, high)
        if not 0 <= low <= high < config["classes"] or unused:
            where = f"the {part} labels of {config['name']} go from {low} to {high}"
            raise UsageError(f"dataset.classes={config['classes']}, but {where}")


def _every_class(config: Config, labels: Tensor, low: int, high: int) -> None:
    """Refuse a part of the training samples that leaves a class without any: its outputs would never be trained."""
    if not 0 <= low <= high < config["classes"]:
        return
    sizes = labels.bincount(minlength=config["classes"])
    if empty := int((sizes == 0).sum()):
        raise UsageError(
            f"dataset.subset={config['subset']}: leaves {empty} of {config['classes']} classes of {config['name']} "
            f"without a training sample; take more"
        )


def counts(config: Config, found: Arrays) -> None:
    """Refuse a copy that is cut short or another data set: its results would not compare."""
    for field, wanted, there in (
        ("train_examples", config["train_examples"], len(found.train_targets)),
        ("test_examples", config["test_examples"], len(found.test_targets)),
        ("shape", list(config["shape"]), found.shape(base.kind(config))),
    ):
        if wanted != there:
            raise UsageError(f"dataset.{field}={wanted}, but the {config['name']} found here has {there}")


def split(config: Config, available: int, sizes: np.ndarray | None) -> None:
    """Check the validation split, in general and, where the ``sizes`` of the classes are known, for each class.

    Without one nothing is validated. A text always has one.
    """
    held, least = config["val_examples"], int(base.of(config).validation == "last")
    if held == least == 0:
        return
    if not least <= held < available:
        what = "images" if base.kind(config) == "images" else "samples"
        raise UsageError(f"dataset.val_examples={held}: allowed are {least} to {available - 1}, of {available} {what}")
    if sizes is not None:
        try:
            shares(sizes, held)
        except UsageError as error:
            raise UsageError(f"dataset.val_examples={held}: {error}") from None
