"""Batches of images that Pillow decodes and torchvision crops, on any machine: the portable loader."""

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import functional as F

from harness.errors import UsageError
from harness.tasks.data.contents import ImageList
from harness.tasks.data.files.colours import UNREADABLE, decoded, reason
from harness.tasks.data.files.crops import Crop, Shape, random_crop, resized
from harness.tasks.data.files.reading import Batch, Key, Reading, Sample
from harness.tasks.data.normalise import Normalise
from harness.tasks.data.order import Batches

_Sample = tuple[Tensor, int]
"""A picture, uint8 [3, height, width], and its label."""


class Pictures(Dataset[_Sample | UsageError]):
    """The files of a split, decoded and cropped one by one.

    Args:
        images: The files.
        chosen: Indices of those to serve.
        shape: Height and width of a picture in pixels.
        seed: Seed of order and crops; None keeps the order of ``chosen`` in every epoch.
        augment: Random resized crop and flip; otherwise the central crop.
    """

    def __init__(self, images: ImageList, chosen: np.ndarray, shape: Shape, seed: int | None, augment: bool) -> None:
        self.labels = images.labels[chosen]
        self.shape = shape
        self.seed = seed
        self.augment = augment
        self._root = os.fsencode(images.folder)
        self._paths = images.paths[chosen]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: Key) -> _Sample | UsageError:
        try:
            picture = self.picture(key)
        except UsageError as error:
            return error
        return F.pil_to_tensor(picture), int(self.labels[key[1]])

    def path(self, index: int) -> str:
        """Return where the file of a sample is."""
        return os.fsdecode(os.path.join(self._root, self._paths[index]))

    def crop(self, width: int, height: int, key: Key) -> Crop:
        """Return the training crop of a sample whose picture has that size."""
        return random_crop(width, height, self.seed or 0, *key, proportion=self.shape[1] / self.shape[0])

    def picture(self, key: Key) -> Image.Image:
        """Return a sample as RGB, cropped.

        Raises:
            UsageError: If its file cannot be read.
        """
        epoch, index = key
        path = self.path(index)
        try:
            image = decoded(path)
        except UNREADABLE as error:
            raise UsageError(f"cannot read the image {path}: {reason(error)}") from error
        return self._random(image, epoch, index) if self.augment else self._central(image)

    def _random(self, image: Image.Image, epoch: int, index: int) -> Image.Image:
        *box, flip = self.crop(image.width, image.height, (epoch, index))
        image = F.resized_crop(image, *box, list(self.shape))
        return F.hflip(image) if flip else image

    def _central(self, image: Image.Image) -> Image.Image:
        return F.center_crop(F.resize(image, list(resized(image.width, image.height, self.shape))), list(self.shape))


def _stack(samples: Sequence[_Sample]) -> tuple[Tensor, Tensor]:
    return torch.stack([image for image, _ in samples]), torch.tensor([label for _, label in samples])


class FileBatches(Batches):
    """What the loaders of image files share: worker processes read, a loader makes batches of what they read.

    Args:
        pictures: The files, in the order of evaluation.
        normalise: Makes network inputs of bytes, on ``device``.
        batch_size: Samples of one batch.
        device: Where the batches go.
        workers: Processes that read; 0 reads in this one. The batches are the same for every number.
    """

    def __init__(
        self, pictures: Pictures, normalise: Normalise, *, batch_size: int, device: torch.device, workers: int
    ) -> None:
        self.samples, self.batch_size = len(pictures), batch_size
        self.training = pictures.seed is not None
        self._pictures, self._normalise, self._device = pictures, normalise, device
        self._workers = workers
        self._reading = self._read()

    @abstractmethod
    def _read(self) -> Reading[Any, Any]:
        """Return what reads the files; `_reading_of` makes it."""

    def _reading_of(
        self,
        dataset: Dataset[Sample | UsageError],
        stack: Callable[[Sequence[Sample]], Batch],
        *,
        pin: bool = False,
    ) -> Reading[Sample, Batch]:
        return Reading(
            dataset,
            stack,
            samples=self.samples,
            batch_size=self.batch_size,
            workers=self._workers,
            seed=self._pictures.seed,
            pin=pin,
        )


class FolderBatches(FileBatches):
    """Serves images that its worker processes decode and crop; to CUDA they travel as bytes from pinned memory."""

    def _read(self) -> Reading[Any, Any]:
        return self._reading_of(self._pictures, _stack, pin=self._device.type == "cuda")

    def picks(self, index: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yield the bytes of each batch, and its labels; see `Batches.picks`.

        Raises:
            UsageError: If an image cannot be read.
        """
        for batch in self._reading.epoch(index, start, self.share):
            yield tuple(part.to(self._device, non_blocking=True) for part in batch)

    def batch(self, *pick: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise a batch; see `Batches.batch`."""
        images, labels = pick
        return self._normalise(images), labels
