"""What is refused before training: settings that the data cannot be served by, data that are not what settings say."""

import math

import numpy as np

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config
from harness.tasks.data.order import shares


def inputs(config: Config, *, decoded: bool) -> None:
    """Check shape and normalisation of a data set's inputs.

    Args:
        config: The resolved ``dataset`` group.
        decoded: Whether images are decoded from files, which always gives three channels.

    Raises:
        UsageError: They cannot be served so.
    """
    channels, height, width = config["shape"]
    if decoded and channels != 3:
        wanted = f"[3,{height},{width}]"
        raise UsageError(
            f"dataset.shape={list(config['shape'])}: image folders are served in 3 channels, grey ones repeated; "
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


def labels(config: Config, arrays: Arrays) -> None:
    """Refuse labels that a model of ``dataset.classes`` outputs has no place for, and outputs that no label trains."""
    for part, found in (("training", arrays.train_labels), ("test", arrays.test_labels)):
        low, high = (int(end) for end in found.aminmax()) if len(found) else (0, 0)
        unused = part == "training" and high + 1 < config["classes"]
        if not 0 <= low <= high < config["classes"] or unused:
            where = f"the {part} labels of {config['name']} go from {low} to {high}"
            raise UsageError(f"dataset.classes={config['classes']}, but {where}")


def counts(config: Config, arrays: Arrays) -> None:
    """Refuse a copy that is cut short or another data set: its results would not compare."""
    _, height, width, channels = arrays.train_images.shape
    for field, wanted, there in (
        ("train_examples", config["train_examples"], len(arrays.train_labels)),
        ("test_examples", config["test_examples"], len(arrays.test_labels)),
        ("shape", list(config["shape"]), [channels, height, width]),
    ):
        if wanted != there:
            raise UsageError(f"dataset.{field}={wanted}, but the {config['name']} found here has {there}")


def split(config: Config, available: int, sizes: np.ndarray | None) -> None:
    """Check the validation split, in general and, where the ``sizes`` of the classes are known, for each class."""
    held = config["val_examples"]
    if not 0 < held < available:
        raise UsageError(f"dataset.val_examples={held}: allowed are 1 to {available - 1}, of {available} images")
    if sizes is not None:
        try:
            shares(sizes, held)
        except UsageError as error:
            raise UsageError(f"dataset.val_examples={held}: {error}") from None
