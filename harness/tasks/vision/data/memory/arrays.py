"""Batches of a data set that lies on the device as bytes."""

from collections.abc import Iterator

import torch
from torch import Tensor

from harness.tasks.vision.data.memory.augment import CropFlip
from harness.tasks.vision.data.normalise import Normalise
from harness.tasks.vision.data.order import Batches, bounds, shuffled
from methods.parts.transfer import moved


class ArrayBatches(Batches):
    """Serves images held as uint8 on the device: a batch is one gather, one optional crop, one normalisation.

    The draws of an epoch are made on the CPU and moved once, so a step neither waits for the device nor
    copies to it.

    Args:
        images: uint8 [samples, height, width, channels] on the device.
        labels: int64 [samples] on the device.
        batch_size: Samples of one batch.
        normalise: Makes network inputs of bytes.
        seed: Seed of order and augmentation; None keeps the order of ``images`` in every epoch.
        augment: Augmentation; needs a seed.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        normalise: Normalise,
        *,
        seed: int | None = None,
        augment: CropFlip | None = None,
    ) -> None:
        self.samples = len(labels)
        self.batch_size = batch_size
        self.training = seed is not None
        self._images = images
        self._labels = labels
        self._normalise = normalise
        self._seed = seed
        self._augment = augment

    def picks(self, index: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yield the indices of each batch's samples, and their draws; see `Batches.picks`."""
        device = self._images.device
        order = torch.arange(self.samples) if self._seed is None else shuffled(self.samples, self._seed, index)
        order = moved(order, device)
        draws = None
        if self._augment is not None and self._seed is not None:
            draws = moved(self._augment.draw(self.samples, self._seed, index), device)
        for begin, end in bounds(self.samples, self.batch_size, training=self.training)[start:]:
            chosen = order[begin:end]
            yield (chosen,) if draws is None else (chosen, draws[chosen])

    def batch(self, *pick: Tensor) -> tuple[Tensor, Tensor]:
        """Gather, crop and normalise a batch; see `Batches.batch`."""
        chosen, *draws = pick
        images = self._images[chosen]
        if self._augment is not None and draws:
            images = self._augment.apply(images, *draws)
        return self._normalise(images.permute(0, 3, 1, 2)), self._labels[chosen]
