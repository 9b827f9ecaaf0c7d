"""Data sets from outside: a function that returns images and labels, from which all settings follow.

The function takes nothing, or the folder that holds the data, and returns four arrays: training images, uint8
[samples, height, width] or [samples, height, width, channels]; training labels, integers from 0; test images; test
labels.
"""

import inspect
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import DATASETS, Dataset, dataset, load_installed

__all__ = ["add", "forget", "load_installed", "settings"]

Function = Callable[..., tuple[Any, Any, Any, Any]]

_VALIDATION = 0.1
"""Share of the training images that is split off for validation, unless the settings say otherwise."""


def add(name: str, function: Function) -> None:
    """Register a function as ``dataset=NAME``.

    Raises:
        ValueError: Another data set has that name.
    """
    known = DATASETS.get(name)
    if known is not None and known.source is not function:
        raise ValueError(f"dataset {name!r} exists already")
    takes_folder = bool(inspect.signature(function).parameters)
    layout = Layout(markers=(".",), remedy="pass dataset.root=DIR") if takes_folder else None

    def read(config: Config) -> Arrays:
        return _read(name, function, str(layout.find(config)) if layout else None)

    DATASETS[name] = Dataset(read, layout, source=function)


def forget(module: str) -> None:
    """Remove the data sets whose functions come from a module, before it is imported anew."""
    for name in [name for name, known in DATASETS.items() if known.source and known.source.__module__ == module]:
        del DATASETS[name]


def settings(config: Config) -> dict[str, Any]:
    """Return the settings that follow from the data themselves: shape, classes, counts, mean and deviation.

    Args:
        config: ``name``, ``root`` and ``download``.

    Returns:
        The settings by name; nothing for a data set that is not a plug-in.

    Raises:
        UsageError: The data cannot be read.
    """
    if dataset(config).source is None:
        return {}
    arrays = dataset(config).read(config)
    assert isinstance(arrays, Arrays)
    samples, height, width, channels = arrays.train_images.shape
    pixels = samples * height * width
    # Sums of integers: the same on every machine.
    levels = arrays.train_images.to(torch.int64)
    first = levels.sum((0, 1, 2)).tolist()
    second = (levels * levels).sum((0, 1, 2)).tolist()
    mean = [total / pixels / 255 for total in first]
    spread = [max(square / pixels / 255**2 - m * m, 0) ** 0.5 for square, m in zip(second, mean, strict=True)]
    return {
        "shape": [channels, height, width],
        "classes": int(arrays.train_labels.max()) + 1,
        "train_examples": samples,
        "val_examples": max(round(samples * _VALIDATION), 1),
        "test_examples": len(arrays.test_labels),
        "mean": [round(value, 4) for value in mean],
        "std": [round(value, 4) or 1.0 for value in spread],
    }


@lru_cache(maxsize=2)
def _read(name: str, function: Function, folder: str | None) -> Arrays:
    try:
        parts = function() if folder is None else function(Path(folder))
    except UsageError:
        raise
    except Exception as error:  # its author's code
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise UsageError(f"dataset {name!r} cannot be read: {reason}") from error
    if not isinstance(parts, tuple | list) or len(parts) != 4:
        raise UsageError(f"dataset {name!r} does not return four arrays: training images, labels, test images, labels")
    train, test = (_pair(name, part, *parts[at : at + 2]) for part, at in (("training", 0), ("test", 2)))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise UsageError(f"dataset {name!r}: training and test images differ in shape")
    return Arrays(*train, *test)


def _pair(name: str, part: str, images: Any, labels: Any) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = np.asarray(images), np.asarray(labels)
    found = f"{images.dtype} {list(images.shape)}"
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
        raise UsageError(f"dataset {name!r}: {part} images are {found}, not uint8 [samples, height, width, channels]")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1] or labels.min() < 0:
        raise UsageError(f"dataset {name!r}: {part} labels are not one integer from 0 for each of {len(images)} images")
    # Copies: what a function returns may be read-only, or change later.
    return torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))
