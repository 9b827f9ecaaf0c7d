"""Batches of images that are decoded from files by worker processes."""

import math
import os
import random
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import functional as F

from harness.data.contents import ImageList
from harness.data.normalise import Normalise
from harness.data.order import shuffled
from harness.errors import UsageError
from harness.seeds import derive

_Key = tuple[int, int]
"""Epoch and index of a sample: workers keep no state, so any of them gives the same picture."""

_Sample = tuple[Tensor, int] | UsageError
"""Image and label, or why it cannot be read. An error travels as a value: raised in a worker it would come back with
a traceback in its text, and leave the loader in a reference cycle whose end takes seconds a worker."""


def resized_crop_box(width: int, height: int, draws: random.Random) -> tuple[int, int, int, int]:
    """Choose a random crop of 8 to 100 % of the area and an aspect ratio of 3:4 to 4:3 (Szegedy et al. 2014).

    Returns:
        Top, left, height and width in pixels; the largest allowed central crop if ten tries do not fit.
    """
    low, high = 3 / 4, 4 / 3
    for _ in range(10):
        area = width * height * draws.uniform(0.08, 1)
        ratio = math.exp(draws.uniform(math.log(low), math.log(high)))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            return draws.randint(0, height - down), draws.randint(0, width - across), down, across
    across = min(width, round(height * high))
    down = min(height, round(width / low))
    return (height - down) // 2, (width - across) // 2, down, across


class _Images(Dataset[_Sample]):
    """Decodes one image to uint8 [3, side, side]."""

    def __init__(self, images: ImageList, chosen: np.ndarray, side: int, seed: int | None, augment: bool) -> None:
        self._root = os.fsencode(images.folder)
        self._paths = images.paths[chosen]
        self._labels = images.labels[chosen]
        self._side = side
        self._seed = seed
        self._augment = augment

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, key: _Key) -> _Sample:
        epoch, index = key
        path = os.fsdecode(os.path.join(self._root, self._paths[index]))
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            return UsageError(f"cannot read the image {path}: {reason}")
        image = self._random(image, epoch, index) if self._augment else self._central(image)
        return F.pil_to_tensor(image), int(self._labels[index])

    def _random(self, image: Image.Image, epoch: int, index: int) -> Image.Image:
        draws = random.Random(derive(self._seed or 0, "augment", epoch, index))
        top, left, height, width = resized_crop_box(image.width, image.height, draws)
        image = F.resized_crop(image, top, left, height, width, [self._side, self._side])
        return F.hflip(image) if draws.random() < 0.5 else image

    def _central(self, image: Image.Image) -> Image.Image:
        # The usual protocol: the shorter side to 256, the central 224; in proportion for other sizes.
        return F.center_crop(F.resize(image, [round(self._side * 256 / 224)]), [self._side, self._side])


class _EpochSampler(Sampler[list[_Key]]):
    """Gives the loader the batches of one epoch; set ``epoch`` and ``start`` before iterating.

    It stays with its loader over all epochs, so worker processes are started once.
    """

    def __init__(self, samples: int, batch_size: int, seed: int | None) -> None:
        self.epoch = 0
        self.start = 0
        self._samples = samples
        self._batch_size = batch_size
        self._seed = seed

    def __len__(self) -> int:
        return math.ceil(self._samples / self._batch_size)

    def __iter__(self) -> Iterator[list[_Key]]:
        epoch = self.epoch
        order = torch.arange(self._samples) if self._seed is None else shuffled(self._samples, self._seed, epoch)
        for begin in range(self.start * self._batch_size, self._samples, self._batch_size):
            yield [(epoch, index) for index in order[begin : begin + self._batch_size].tolist()]


def _stack(samples: Sequence[_Sample]) -> tuple[Tensor, Tensor] | UsageError:
    images, labels = [], []
    for sample in samples:
        if isinstance(sample, UsageError):
            return sample
        images.append(sample[0])
        labels.append(sample[1])
    return torch.stack(images), torch.tensor(labels)


class FolderBatches:
    """Serves images from files, decoded and cropped by worker processes, normalised on the device.

    Args:
        images: The files.
        chosen: Indices of those to serve.
        normalise: Makes network inputs of bytes, on ``device``.
        side: Height and width of a network input in pixels.
        batch_size: Samples of one batch.
        device: Where the batches go; to CUDA they travel as bytes from pinned memory.
        workers: Processes that decode; 0 decodes in this one. The batches are the same for every number.
        seed: Seed of order and augmentation; None keeps the order of ``chosen`` in every epoch.
        augment: Random resized crop and flip; otherwise the central crop.
    """

    def __init__(
        self,
        images: ImageList,
        chosen: np.ndarray,
        normalise: Normalise,
        *,
        side: int,
        batch_size: int,
        device: torch.device,
        workers: int,
        seed: int | None = None,
        augment: bool = False,
    ) -> None:
        self.samples = len(chosen)
        self.batch_size = batch_size
        self._normalise = normalise
        self._device = device
        self._sampler = _EpochSampler(self.samples, batch_size, seed)
        self._loader = DataLoader(
            _Images(images, chosen, side, seed, augment),
            batch_sampler=self._sampler,
            collate_fn=_stack,
            # Its own generator: by default a loader draws a number from the global one for each epoch.
            generator=torch.Generator(),
            num_workers=workers,
            pin_memory=device.type == "cuda",
            # Evaluation is rare: its workers would only hold memory between two of them.
            persistent_workers=workers > 0 and seed is not None,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch; the last one may be smaller."""
        return len(self._sampler)

    def epoch(self, index: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of epoch ``index`` from step ``start`` on; see `Batches.epoch`.

        Raises:
            UsageError: If an image cannot be read.
        """
        self._sampler.epoch, self._sampler.start = index, start
        for batch in self._loader:
            if isinstance(batch, UsageError):
                raise batch
            images, labels = (part.to(self._device, non_blocking=True) for part in batch)
            yield self._normalise(images), labels
