"""From a dataset config to batches, counts and a fingerprint."""

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.data import sets as _sets  # noqa: F401 - importing it registers the data sets
from harness.data.arrays import ArrayBatches
from harness.data.augment import augmentation
from harness.data.contents import Arrays, ImageList, ImageTree
from harness.data.folder import FolderBatches
from harness.data.normalise import Normalise
from harness.data.order import Batches, hold_out
from harness.data.places import Config, MissingData
from harness.data.registry import dataset
from harness.errors import UsageError, unknown
from harness.seeds import derive

ABSENT = "absent"
"""The fingerprint of data that are not on this machine."""


@dataclass(frozen=True)
class Info:
    """How many samples each part of a data set has, the validation split taken off the training set."""

    train_samples: int
    val_samples: int
    test_samples: int


@dataclass(frozen=True)
class Data:
    """The three parts of a data set. Training batches are shuffled and augmented, the others are neither."""

    train: Batches
    val: Batches
    test: Batches


def info(config: Config) -> Info:
    """Return the sizes of the parts, from the config, or from the folder for image folders that are there.

    Raises:
        UsageError: If the data set is unknown, or the validation split would leave a part empty.
    """
    train, test = config["train_examples"], config["test_examples"]
    if dataset(config).counted:
        try:
            tree = dataset(config).read(config)
        except MissingData:
            pass
        else:
            assert isinstance(tree, ImageTree)
            train, test = len(tree.train.labels), len(tree.test.labels)
    _check_split(config, train)
    return Info(train - config["val_examples"], config["val_examples"], test)


def fingerprint(config: Config) -> str:
    """Return a sha256 (hex) of the content, of paths and sizes for image folders, or ``"absent"``.

    Raises:
        UsageError: If the data are there but cannot be read.
    """
    places = (os.environ.get("SPARSEBENCH_DATA"), os.path.expanduser("~"))
    return _fingerprint(json.dumps({key: config[key] for key in sorted(config)}, default=list), places)


@lru_cache(maxsize=64)
def _fingerprint(config: str, places: tuple[str | None, str]) -> str:
    """Hash once for all runs of a suite; ``places`` is part of the key since it decides where the data lie."""
    fields = json.loads(config)
    try:
        return dataset(fields).read(fields).digest()
    except MissingData:
        return ABSENT


def directory(config: Config) -> Path | None:
    """Return the folder that the data would be read from; None if they need no files or are not there.

    Raises:
        UsageError: If ``dataset.root`` is a folder without the data set.
    """
    layout = dataset(config).layout
    if layout is None:
        return None
    try:
        return layout.find(config)
    except MissingData:
        return None


def load(
    config: Config,
    *,
    batch_size: int,
    seed: int,
    augment: str = "none",
    eval_batch_size: int = 512,
    device: str | torch.device = "cpu",
    workers: int = 0,
) -> Data:
    """Read a data set and split it.

    Args:
        config: The resolved ``dataset`` group.
        batch_size: Samples of a training batch.
        seed: The run's seed: its streams decide the validation split, the order and the augmentation.
        augment: ``none``, ``crop`` or ``crop_flip`` for data in memory, ``none`` or ``imagenet`` for image folders.
        eval_batch_size: Samples of a validation or test batch.
        device: Where batches are wanted. Data in memory are kept there as bytes.
        workers: Processes that decode image folders; no matter for data in memory.

    Raises:
        UsageError: If the data are absent, damaged or not what the config says, or an argument is not allowed.
    """
    contents = dataset(config).read(config)
    labels = contents.train_labels.numpy() if isinstance(contents, Arrays) else contents.train.labels
    _check_split(config, len(labels))
    kept, held = hold_out(labels, config["val_examples"], derive(seed, "split"))
    serve = _Serve(config, batch_size, eval_batch_size, seed, augment, torch.device(device), workers)
    return (
        serve.arrays(contents, kept, held)
        if isinstance(contents, Arrays)
        else serve.files(contents, kept, held)
    )


@dataclass(frozen=True)
class _Serve:
    """Makes the three streams of one `load` call."""

    config: Config
    batch_size: int
    eval_batch_size: int
    seed: int
    augment: str
    device: torch.device
    workers: int

    def arrays(self, data: Arrays, kept: np.ndarray, held: np.ndarray) -> Data:
        self._check_counts(data)
        normalise = self._normalise()
        augment = augmentation(self.augment, data.train_images.shape[1])

        def stream(
            images: Tensor, labels: Tensor, chosen: np.ndarray | None, **training: Any
        ) -> ArrayBatches:
            if chosen is not None:
                images, labels = images[chosen], labels[chosen]
            size = self.batch_size if training else self.eval_batch_size
            return ArrayBatches(images.to(self.device), labels.to(self.device), size, normalise, **training)

        return Data(
            train=stream(data.train_images, data.train_labels, kept, seed=self.seed, augment=augment),
            val=stream(data.train_images, data.train_labels, held),
            test=stream(data.test_images, data.test_labels, None),
        )

    def files(self, data: ImageTree, kept: np.ndarray, held: np.ndarray) -> Data:
        choices = {"none": False, "imagenet": True}
        if self.augment not in choices:
            raise unknown("augmentation of image folders (recipe.augment)", self.augment, choices)
        normalise = self._normalise()

        def stream(images: ImageList, chosen: np.ndarray, **training: Any) -> FolderBatches:
            size = self.batch_size if training else self.eval_batch_size
            side = self.config["shape"][1]
            return FolderBatches(images, chosen, side, size, normalise, self.device, self.workers, **training)

        return Data(
            train=stream(data.train, kept, seed=self.seed, augment=choices[self.augment]),
            val=stream(data.train, held),
            test=stream(data.test, np.arange(len(data.test.labels))),
        )

    def _normalise(self) -> Normalise:
        return Normalise(self.config["mean"], self.config["std"], self.device)

    def _check_counts(self, data: Arrays) -> None:
        """A copy with other numbers of images is cut short or another data set: its results would not compare."""
        for field, labels in (("train_examples", data.train_labels), ("test_examples", data.test_labels)):
            if len(labels) != self.config[field]:
                raise UsageError(
                    f"{self.config['name']} has {len(labels)} images where dataset.{field}={self.config[field]}"
                )


def _check_split(config: Config, available: int) -> None:
    held = config["val_examples"]
    if not 0 < held < available:
        raise UsageError(
            f"dataset.val_examples={held}: allowed are 1 to {available - 1}, of {available} images"
        )
