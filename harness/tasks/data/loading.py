"""From a dataset config to batches, counts and a fingerprint."""

import importlib.util
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.errors import UsageError
from harness.tasks.data import checks, fits, held_out, subset
from harness.tasks.data import sets as _sets  # noqa: F401 - importing it registers the data sets
from harness.tasks.data.contents import Arrays, Contents, ImageTree
from harness.tasks.data.locate import Config, MissingDataError
from harness.tasks.data.registry import dataset
from harness.tasks.data.serving import Data, Streams

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
        UsageError: If the data set is unknown, cannot be served in that shape or normalised so, or the validation
            split would leave a part empty, or a class of the training images.
    """
    checks.inputs(config, decoded=decoded(config))
    checks.parts(config, decoded=decoded(config))
    fits.settings(config)
    counts = {**config, **found(config)}
    tree = _tree(config)
    checks.split(config, counts["train_examples"], None if tree is None else np.bincount(tree.train.labels))
    return Info(counts["train_examples"] - config["val_examples"], config["val_examples"], counts["test_examples"])


def found(config: Config) -> dict[str, Any]:
    """Return the counts of an image folder that is there, by the names they have in a config; else nothing.

    Raises:
        UsageError: The config has counts that are neither the folder's nor those of the published set.
    """
    tree = _tree(config)
    if tree is None:
        return {}
    counts = {"train_examples": len(tree.train.labels), "test_examples": len(tree.test.labels)}
    published = dataset(config).published or {}
    for field, count in counts.items():
        if config[field] not in (count, published.get(field)):
            raise UsageError(f"dataset.{field}={config[field]}, but {tree.train.folder.parent} has {count}")
    return counts


def notes(config: Config) -> list[str]:
    """Return what a person should know of a folder that is there, a line each.

    Raises:
        UsageError: The folder cannot be used.
    """
    if (told := dataset(config).notes) is not None:
        try:
            return told(_offline(config))
        except MissingDataError:
            return []
    tree = _tree(config)
    if tree is None or not tree.skipped:
        return []
    from harness.tasks.data.files.listing import SUFFIXES, skipped_in_words

    kinds = f"{', '.join(SUFFIXES[:-1])} and {SUFFIXES[-1]}"
    return [f"{tree.train.folder.parent}: only {kinds} in class folders are read; skipped: {skipped_in_words(tree)}"]


def _tree(config: Config) -> ImageTree | None:
    """Return the tree of an image folder that is there; None for other data sets and absent ones."""
    if not dataset(config).decoded:
        return None
    try:
        tree = read(_offline(config))
    except MissingDataError:
        return None
    assert isinstance(tree, ImageTree)
    return tree


def decoded(config: Config) -> bool:
    """Say whether a data set's images are decoded from files while it trains.

    Raises:
        UsageError: If the data set is unknown.
    """
    return dataset(config).decoded


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
    """Return a sha256 (hex) of the content, of paths and sizes for large image folders, or `ABSENT`.

    That of a plug-in's task is of its source too, which has its loss and its metric. Nothing is downloaded.

    Raises:
        UsageError: If the data are there but cannot be read.
    """
    places = (os.environ.get("SPARSEBENCH_DATA"), os.path.expanduser("~"))
    try:
        return _digest(json.dumps(_offline(config), sort_keys=True, default=list), places, dataset(config).digest)
    except MissingDataError:
        return ABSENT


@lru_cache(maxsize=64)
def _digest(config: str, places: tuple[str | None, str], task: str | None) -> str:
    """Hash once for all runs of a suite; what decides where the data lie and how they are compared is in the key."""
    settings = json.loads(config)
    try:
        return dataset(settings).fingerprint(read(settings))
    except OSError as error:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}") from error


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
    return layout.find(config) if layout is not None and layout.applies(config) else None


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
    planned: str | None = None,
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
        planned: The `fingerprint` that they must have; None for any.

    Raises:
        UsageError: If the data are absent, damaged, not what the config says or not those that were planned,
            ``augment`` is unknown, or the ``loader`` cannot serve them.
    """
    for field, value, least in (("recipe.batch_size", batch_size, 1), ("workers", workers, 0)):
        if value < least:
            raise UsageError(f"{field}={value}: allowed are {least} and more")
    check_loader(config, loader)
    checks.inputs(config, decoded=decoded(config))
    checks.parts(config, decoded=decoded(config))
    fits.settings(config)
    checks.recipe(config, augment)
    contents = read(config)
    if planned is not None:
        _require_planned(config, contents, planned)
    kept, held = held_out.split(config, contents, seed)
    workers = min(workers, os.cpu_count() or 1)  # more would only wait for each other
    streams = Streams(config, batch_size, eval_batch_size, seed, augment, torch.device(device), loader, workers)
    return streams.of(contents, kept, held)


def _require_planned(config: Config, contents: Contents, planned: str) -> None:
    """Refuse data that a record would take for others: its key and its checks are by the fingerprint."""
    try:
        same = dataset(config).fingerprint(contents) == planned
    except OSError as error:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}") from error
    if not same:
        raise UsageError(
            f"the data of {config['name']} differ from those that the run was planned with: what makes them is not "
            f"deterministic (drawn without a seed of its own), or they have changed on disk since"
        )


def read(config: Config) -> Contents:
    """Read a data set.

    Raises:
        UsageError: It is absent, or not what the config says.
    """
    contents = dataset(config).read(config)
    if isinstance(contents, Arrays):
        contents = subset.chosen(config, contents)
        checks.arrays(config, contents)
        checks.counts(config, contents)
        fits.targets(config, contents)
    return contents
