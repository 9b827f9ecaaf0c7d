"""From a dataset config to batches, counts and a fingerprint."""

import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import UsageError, unknown
from harness.seeds import derive
from harness.tasks.vision.data import sets as _sets  # noqa: F401 - importing it registers the data sets
from harness.tasks.vision.data.contents import Arrays, ImageList, ImageTree
from harness.tasks.vision.data.locate import Config, MissingDataError
from harness.tasks.vision.data.memory.arrays import ArrayBatches
from harness.tasks.vision.data.memory.augment import augmentation
from harness.tasks.vision.data.normalise import Normalise
from harness.tasks.vision.data.order import Batches, hold_out
from harness.tasks.vision.data.registry import dataset

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
            tree = dataset(config).read(_offline(config))
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
    return dataset(fields).read(fields).digest()


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
    contents = dataset(config).read(config)
    labels = contents.train_labels.numpy() if isinstance(contents, Arrays) else contents.train.labels
    _check_split(config, len(labels))
    kept, held = hold_out(labels, config["val_examples"], derive(seed, "split"))
    _check_normalisation(config)
    workers = min(workers, os.cpu_count() or 1)  # more would only wait for each other
    serve = _Serve(config, batch_size, eval_batch_size, seed, augment, torch.device(device), loader, workers)
    return serve.arrays(contents, kept, held) if isinstance(contents, Arrays) else serve.files(contents, kept, held)


@dataclass(frozen=True)
class _Serve:
    """Makes the three streams of one `load` call."""

    config: Config
    batch_size: int
    eval_batch_size: int
    seed: int
    augment: str
    device: torch.device
    loader: str
    workers: int

    def arrays(self, data: Arrays, kept: np.ndarray, held: np.ndarray) -> Data:
        self._check(data)
        normalise = self._normalise()
        augment = augmentation(self.augment, data.train_images.shape[1])

        def stream(images: Tensor, labels: Tensor, chosen: np.ndarray | None, **training: Any) -> ArrayBatches:
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
        from harness.tasks.vision.data.files.pillow import Pictures  # here, as what serves them: slow to import

        normalise, batches, side = self._normalise(), _folder_batches(self.loader), self.config["shape"][1]

        def stream(images: ImageList, chosen: np.ndarray, seed: int | None = None, augment: bool = False) -> Batches:
            return batches(
                Pictures(images, chosen, side, seed, augment),
                normalise,
                batch_size=self.eval_batch_size if seed is None else self.batch_size,
                device=self.device,
                workers=self.workers,
            )

        return Data(
            train=stream(data.train, kept, self.seed, choices[self.augment]),
            val=stream(data.train, held),
            test=stream(data.test, np.arange(len(data.test.labels))),
        )

    def _normalise(self) -> Normalise:
        return Normalise(self.config["mean"], self.config["std"], self.device)

    def _check(self, data: Arrays) -> None:
        """Refuse a copy that is cut short or another data set: its results would not compare."""
        name = self.config["name"]
        _, height, width, channels = data.train_images.shape
        for field, wanted, found in (
            ("train_examples", self.config["train_examples"], len(data.train_labels)),
            ("test_examples", self.config["test_examples"], len(data.test_labels)),
            ("shape", list(self.config["shape"]), [channels, height, width]),
        ):
            if wanted != found:
                raise UsageError(f"dataset.{field}={wanted}, but the {name} found here has {found}")


def _folder_batches(loader: str) -> Callable[..., Batches]:
    """Import what serves image folders, which is slow."""
    if loader == "dali":
        from harness.tasks.vision.data.files.dali import DaliBatches

        return DaliBatches
    from harness.tasks.vision.data.files.pillow import FolderBatches

    return FolderBatches


def _check_normalisation(config: Config) -> None:
    channels = config["shape"][0]
    for field in ("mean", "std"):
        if len(config[field]) != channels:
            raise UsageError(f"dataset.{field}={list(config[field])}: one number for each of {channels} channels")
    if min(config["std"]) <= 0:
        raise UsageError(f"dataset.std={list(config['std'])}: allowed are numbers above 0")


def _check_split(config: Config, available: int) -> None:
    held = config["val_examples"]
    if not 0 < held < available:
        raise UsageError(f"dataset.val_examples={held}: allowed are 1 to {available - 1}, of {available} images")
