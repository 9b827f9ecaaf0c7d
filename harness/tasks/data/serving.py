"""The streams of batches that a data set is served in: from memory, or decoded from image files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import unknown
from harness.tasks.base import kind
from harness.tasks.data.contents import Arrays, Contents, ImageList, ImageTree
from harness.tasks.data.locate import Config
from harness.tasks.data.memory.arrays import ArrayBatches
from harness.tasks.data.memory.augment import augmentation
from harness.tasks.data.normalise import Normalise
from harness.tasks.data.order import Batches


@dataclass(frozen=True)
class Data:
    """The three parts of a data set. Training batches are shuffled and augmented, the others are neither."""

    train: Batches
    val: Batches
    test: Batches


@dataclass(frozen=True)
class Streams:
    """What the streams of a data set have in common; see `harness.tasks.data.loading.load`.

    Attributes:
        config: The resolved ``dataset`` group.
        batch_size: Samples of a training batch.
        eval_batch_size: Samples of a validation or test batch.
        seed: The run's seed.
        augment: Name of the augmentation.
        device: Where batches are wanted.
        loader: What decodes image folders.
        workers: Processes that read image folders.
    """

    config: Config
    batch_size: int
    eval_batch_size: int
    seed: int
    augment: str
    device: torch.device
    loader: str
    workers: int

    def of(self, contents: Contents, kept: np.ndarray, held: np.ndarray) -> Data:
        """Return the streams of a data set.

        Args:
            contents: What was read.
            kept: Indices of the training samples.
            held: Indices of the validation samples.

        Raises:
            UsageError: The data are not what the config says, or the augmentation is unknown.
        """
        return self._arrays(contents, kept, held) if isinstance(contents, Arrays) else self._files(contents, kept, held)

    def _arrays(self, data: Arrays, kept: np.ndarray, held: np.ndarray) -> Data:
        normalise, augment = None, None
        if kind(self.config) == "images":
            normalise, augment = self._normalise(), augmentation(self.augment, data.train_inputs.shape[1])

        def stream(inputs: Tensor, targets: Tensor, chosen: np.ndarray | None, **training: Any) -> ArrayBatches:
            if chosen is not None:
                inputs, targets = inputs[chosen], targets[chosen]
            size = self.batch_size if training else self.eval_batch_size
            return ArrayBatches(inputs.to(self.device), targets.to(self.device), size, normalise, **training)

        return Data(
            train=stream(data.train_inputs, data.train_targets, kept, seed=self.seed, augment=augment),
            val=stream(data.train_inputs, data.train_targets, held),
            test=stream(data.test_inputs, data.test_targets, None),
        )

    def _files(self, data: ImageTree, kept: np.ndarray, held: np.ndarray) -> Data:
        choices = {"none": False, "imagenet": True}
        if self.augment not in choices:
            raise unknown("augmentation of image folders (recipe.augment)", self.augment, choices)
        from harness.tasks.data.files import soundness
        from harness.tasks.data.files.pillow import Pictures  # here, as what serves them: slow to import

        soundness.check(data)
        normalise, batches = self._normalise(), _folder_batches(self.loader)
        _, height, width = self.config["shape"]

        def stream(images: ImageList, chosen: np.ndarray, seed: int | None = None, augment: bool = False) -> Batches:
            return batches(
                Pictures(images, chosen, (height, width), seed, augment),
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


def _folder_batches(loader: str) -> Callable[..., Batches]:
    """Import what serves image folders, which is slow."""
    if loader == "dali":
        from harness.tasks.data.files.dali import DaliBatches

        return DaliBatches
    from harness.tasks.data.files.pillow import FolderBatches

    return FolderBatches
