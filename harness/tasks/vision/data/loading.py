"""From a dataset config to batches, counts and a fingerprint."""

import importlib.util
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from harness.errors import UsageError
from harness.seeds import derive
from harness.tasks.vision.data import sets as _sets  # noqa: F401 - importing it registers the data sets
from harness.tasks.vision.data.contents import Arrays, Contents, ImageTree
from harness.tasks.vision.data.locate import Config, MissingDataError
from harness.tasks.vision.data.order import hold_out
from harness.tasks.vision.data.registry import dataset
from harness.tasks.vision.data.serving import Data, Streams

DALI = importlib.util.find_spec("nvidia") is not None and importlib.util.find_spec("nvidia.dali") is not None
"""Whether NVIDIA's loader is installed."""

ABSENT = "absent"
"""The fingerprint of data that are not on this machine."""


@dataclass(frozen=True)
class Info:
    """How many samples each part of a data set has, the validation split taken off the training set."""

    train_samples: int
    val_samples: int
    test_samples: int


def info(config: Config) -> Info:
    """Return the sizes of the parts, from the config, or from the folder for image folders that are there.

    Raises:
        UsageError: If the data set is unknown, or the validation split would leave a part empty.
    """
    train, test = config["train_examples"], config["test_examples"]
    if dataset(config).counted:
        try:
            tree = _read(_offline(config))
        except MissingDataError:
            pass
        else:
            assert isinstance(tree, ImageTree)
            train, test = len(tree.train.labels), len(tree.test.labels)
    _check_split(config, train)
    return Info(train - config["val_examples"], config["val_examples"], test)


def decoded(config: Config) -> bool:
    """Say whether a data set's images are decoded from files while it trains.

    Raises:
        UsageError: If the data set is unknown.
    """
    return dataset(config).counted


def check_loader(config: Config, loader: str) -> None:
    """Check that a data set can be served by a loader of image folders: ``auto``, ``dali`` or ``torchvision``.

    Raises:
        UsageError: If there are no files to decode, or DALI is not installed.
    """
    if loader != "auto" and not decoded(config):
        raise UsageError(f"loader={loader}: {config['name']} is held in memory and needs none; leave loader=auto")
    if loader == "dali" and not DALI:
        raise UsageError("loader=dali: nvidia-dali is not installed (it is for Linux alone); loader=torchvision is")


def fingerprint(config: Config) -> str:
    """Return a sha256 (hex) of the content, of paths and sizes for image folders, or `ABSENT`; download nothing.

    Raises:
        UsageError: If the data are there but cannot be read.
    """
    places = (os.environ.get("SPARSEBENCH_DATA"), os.path.expanduser("~"))
    try:
        return _digest(json.dumps(_offline(config), sort_keys=True, default=list), places)
    except MissingDataError:
        return ABSENT


@lru_cache(maxsize=64)
def _digest(config: str, places: tuple[str | None, str]) -> str:
    """Hash once for all runs of a suite; ``places`` is in the key since it decides where the data lie."""
    fields = json.loads(config)
    return _read(fields).digest()


def directory(config: Config) -> Path | None:
    """Return the folder that the data would be read from; None if they need no files or are not there.

    Raises:
        UsageError: If ``dataset.root`` is a folder without the data set.
    """
    try:
        return fetch(_offline(config))
    except MissingDataError:
        return None


def fetch(config: Config) -> Path | None:
    """Return the folder that holds the data, downloaded if need be and allowed; None if they need no files.

    Raises:
        UsageError: If the data are missing and must not or cannot be downloaded.
    """
    layout = dataset(config).layout
    return None if layout is None else layout.find(config)


def _offline(config: Config) -> dict[str, Any]:
    return {**config, "download": False}


def load(
    config: Config,
    *,
    batch_size: int,
    seed: int,
    augment: str = "none",
    eval_batch_size: int = 512,
    device: str | torch.device = "cpu",
    loader: str = "auto",
    workers: int = 0,
) -> Data:
    """Read a data set and split it.

    Args:
        config: The resolved ``dataset`` group.
        batch_size: Samples of a training batch.
        seed: The run's seed: its streams decide the validation split, the order and the augmentation.
        augment: ``none``, ``crop`` or ``crop_flip`` for data in memory, ``none`` or ``imagenet`` for image
            folders.
        eval_batch_size: Samples of a validation or test batch.
        device: Where batches are wanted. Data in memory are kept there as bytes.
        loader: What decodes image folders: ``dali``, or Pillow for ``torchvision`` and ``auto``.
        workers: Processes that read, and for ``torchvision`` decode, image folders; no matter for data in memory.

    Raises:
        UsageError: If the data are absent, damaged or not what the config says, ``augment`` is unknown, or the
            ``loader`` cannot serve them.
    """
    for field, value, least in (("recipe.batch_size", batch_size, 1), ("workers", workers, 0)):
        if value < least:
            raise UsageError(f"{field}={value}: allowed are {least} and more")
    check_loader(config, loader)
    contents = _read(config)
    labels = contents.train_labels.numpy() if isinstance(contents, Arrays) else contents.train.labels
    _check_split(config, len(labels))
    kept, held = hold_out(labels, config["val_examples"], derive(seed, "split"))
    workers = min(workers, os.cpu_count() or 1)  # more would only wait for each other
    streams = Streams(config, batch_size, eval_batch_size, seed, augment, torch.device(device), loader, workers)
    return streams.of(contents, kept, held)


def _read(config: Config) -> Contents:
    """Read a data set; refuse one with labels that a model of ``dataset.classes`` outputs has no place for."""
    contents = dataset(config).read(config)
    if isinstance(contents, Arrays):
        for part, labels in (("training", contents.train_labels), ("test", contents.test_labels)):
            low, high = (int(end) for end in labels.aminmax()) if len(labels) else (0, 0)
            if not 0 <= low <= high < config["classes"]:
                found = f"the {part} labels of {config['name']} go from {low} to {high}"
                raise UsageError(f"dataset.classes={config['classes']}, but {found}")
    return contents


def _check_split(config: Config, available: int) -> None:
    held = config["val_examples"]
    if not 0 < held < available:
        raise UsageError(f"dataset.val_examples={held}: allowed are 1 to {available - 1}, of {available} images")
