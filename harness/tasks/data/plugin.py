"""Data sets from outside: a function that returns images and labels, or a task of one's own; all settings follow.

The function takes nothing, or the folder that holds the data, and returns four arrays: training images, uint8
[samples, height, width] or [samples, height, width, channels]; training labels, integers from 0; test images; test
labels. For any other data or loss it is a subclass of `sparsebench.Task`, whose method ``data`` returns the arrays.
"""

import inspect
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import UsageError, reason
from harness.records.metrics import CLASSIFICATION
from harness.records.source import source_digest
from harness.tasks import base
from harness.tasks.base import Task
from harness.tasks.data import checks
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import DATASETS, Dataset, dataset, load_installed

__all__ = ["add", "forget", "load_installed", "settings"]

Source = Callable[..., tuple[Any, Any, Any, Any]]
"""A function, or a subclass of `Task`."""

_VALIDATION = 0.1
"""Share of the training samples that is split off for validation, unless the settings say otherwise."""


def add(name: str, source: Source) -> None:
    """Register a function, or a subclass of `Task`, as ``dataset=NAME``.

    Raises:
        ValueError: Another data set, or another task, has that name.
        TypeError: It is a class of another kind.
    """
    known = DATASETS.get(name)
    if known is not None and known.source is not source:
        raise ValueError(f"dataset {name!r} exists already")
    task = _task(source)
    parameters = inspect.signature(source if task is None else task.data).parameters.values()
    needed = task is None or any(parameter.default is parameter.empty for parameter in parameters)
    layout = Layout((".",), remedy="pass dataset.root=DIR", needed=needed) if parameters else None
    digest = None if task is None else source_digest(type(task))

    def read(config: Config) -> Arrays:
        folder = layout.find(config) if layout is not None and layout.applies(config) else None
        return _read(name, source, None if folder is None else str(folder))

    DATASETS[name] = Dataset(read, layout, source=source, digest=digest)


def forget(module: str) -> None:
    """Remove the data sets whose functions come from a module, before it is imported anew."""
    base.forget(module)
    for name in [name for name, known in DATASETS.items() if known.source and known.source.__module__ == module]:
        del DATASETS[name]


def settings(config: Config) -> dict[str, Any]:
    """Return the settings that follow from the data themselves: task, shape, classes, counts, mean and deviation.

    Args:
        config: ``name``, ``root`` and ``download``; ``shape`` too for a data set that is not a plug-in.

    Returns:
        The settings by name; of a data set that is not a plug-in the counts, if its settings file leaves them out.

    Raises:
        UsageError: The data cannot be read.
    """
    source, counts = dataset(config).source, dataset(config).counts
    if source is None:
        return {} if counts is None else dict(counts(config))
    arrays = dataset(config).read(config)
    assert isinstance(arrays, Arrays)
    task = _task(source)
    kind = "images" if task is None else task.kind
    mean, std = _levels(arrays.train_inputs) if kind == "images" else ([], [])
    samples = len(arrays.train_targets)
    return {
        **({} if task is None else {"task": task.name}),
        "shape": arrays.shape(kind),
        "classes": (task and task.classes) or _width(arrays.train_targets),
        "train_examples": samples,
        "val_examples": max(round(samples * _VALIDATION), 1),
        "test_examples": len(arrays.test_targets),
        "mean": mean,
        "std": std,
    }


def digest(name: str) -> str | None:
    """Return the digest of the source of a plug-in's task; None for other data sets."""
    return DATASETS[name].digest


def task_name(name: str) -> str | None:
    """Return the task of a data set of a plug-in; None if it is not loaded."""
    known = DATASETS.get(name)
    if known is None or known.source is None:
        return None
    task = _task(known.source)
    return CLASSIFICATION if task is None else task.name


def _task(source: Source) -> Task | None:
    """Return the task that a plug-in is, registered; None for a function.

    Raises:
        TypeError: It is a class of another kind, or one that says what no task can say.
        ValueError: Another task has its name.
    """
    if not isinstance(source, type):
        return None
    if not issubclass(source, Task):
        raise TypeError(f"{source!r} is not a subclass of sparsebench.Task")
    base.register(source)
    return base.named(source.name)


def _width(targets: Tensor) -> int:
    """Return the width of the output that targets need."""
    return targets.shape[-1] if targets.is_floating_point() else int(targets.max()) + 1


def _levels(images: Tensor) -> tuple[list[float], list[float]]:
    """Return mean and deviation of each channel."""
    pixels = images[..., 0].numel()
    # Sums of integers: the same on every machine.
    levels = images.to(torch.int64)
    first = levels.sum((0, 1, 2)).tolist()
    second = (levels * levels).sum((0, 1, 2)).tolist()
    mean = [total / pixels / 255 for total in first]
    spread = [max(square / pixels / 255**2 - m * m, 0) ** 0.5 for square, m in zip(second, mean, strict=True)]
    return [round(value, 4) for value in mean], [round(value, 4) or 1.0 for value in spread]


@lru_cache(maxsize=2)
def _read(name: str, source: Source, folder: str | None) -> Arrays:
    task = _task(source)
    function = source if task is None else task.data
    try:
        parts = function() if folder is None else function(Path(folder))
    except UsageError:
        raise
    except Exception as error:  # its author's code
        raise UsageError(f"dataset {name!r} cannot be read: {reason(error, inspect.getfile(source))}") from error
    if not isinstance(parts, tuple | list) or len(parts) != 4:
        what = "training images, labels, test images, labels"
        if task is not None:
            what = "training inputs, targets, test inputs, targets"
        raise UsageError(f"dataset {name!r} does not return four arrays: {what}")
    read: Callable[..., tuple[Tensor, Tensor]] = _pair if task is None else partial(_of_task, task.kind)
    words = ("images", "labels") if task is None else ("inputs", "targets")
    train, test = (
        read(name, part, *(_array(name, f"{part} {what}", parts[at + i]) for i, what in enumerate(words)))
        for part, at in (("training", 0), ("test", 2))
    )
    for what, one, other in zip((words[0], "targets"), train, test, strict=True):
        if one.shape[1:] != other.shape[1:]:
            raise UsageError(f"dataset {name!r}: training and test {what} differ in shape")
    return Arrays(*train, *test)


def _array(name: str, what: str, given: Any) -> np.ndarray:
    """Return what a plug-in returns as an array; nothing of it is lost on the way.

    Raises:
        UsageError: It cannot be one.
    """
    said, short = f"dataset {name!r}: {what}", what.rpartition(" ")[2]
    if isinstance(given, Tensor):
        if given.requires_grad:
            raise UsageError(f"{said} are a tensor that requires a gradient; return {short}.detach()")
        if given.dtype == torch.bfloat16:
            raise UsageError(f"{said} are bfloat16, which arrays cannot be; return {short}.float()")
    several = [given, *given] if isinstance(given, tuple | list) else [given]
    if any(isinstance(each, np.ma.MaskedArray) for each in several):
        raise UsageError(f"{said} are a masked array, and nothing here knows masks; return its values filled in")
    try:
        array = np.asarray(given)
    except Exception as error:  # ragged lists, arrays of several shapes, tensors on a GPU, and what says so itself
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UsageError(f"{said} cannot be made one array [samples, ...]: {why}") from None
    if not array.ndim:
        raise UsageError(f"{said} are one value ({array.dtype}), not an array [samples, ...]")
    return array


def _pair(name: str, part: str, images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    found = f"{images.dtype} {list(images.shape)}"
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
        raise UsageError(f"dataset {name!r}: {part} images are {found}, not uint8 [samples, height, width, channels]")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1] or labels.min() < 0:
        raise UsageError(f"dataset {name!r}: {part} labels are not one integer from 0 for each of {len(images)} images")
    # Copies: what a function returns may be read-only, or change later.
    return torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))


def _of_task(kind: str, name: str, part: str, inputs: np.ndarray, targets: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of a task."""
    for what, array in (("inputs", inputs), ("targets", targets)):
        if array.dtype.kind not in "fiu" or not array.size:
            found = f"{array.dtype} {list(array.shape)}"
            raise UsageError(f"dataset {name!r}: {part} {what} are {found}, not numbers [samples, ...]")
    if inputs.ndim == 3 and kind == "images":
        inputs = inputs[..., None]
    if targets.ndim == 1 and targets.dtype.kind == "f":
        targets = targets[:, None]
    made = _tensor(inputs)
    if why := checks.objection(kind, made):
        raise UsageError(f"dataset {name!r}: {part} inputs {why}")
    return made, _tensor(targets)


def _tensor(array: np.ndarray) -> Tensor:
    """Copy an array: floats of any precision as float32, bytes as they are, other integers as int64."""
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what is then infinite is refused by name
            return torch.from_numpy(array.astype(np.float32))
    return torch.from_numpy(array.astype(np.uint8 if array.dtype == np.uint8 else np.int64))
