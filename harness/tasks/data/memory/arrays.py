"""Batches of a data set that is held in memory, on the device."""

from collections.abc import Iterator

import torch
from torch import Tensor

from harness.tasks.data.memory.augment import CropFlip
from harness.tasks.data.normalise import Normalise
from harness.tasks.data.order import Batches, bounds, part, shuffled
from methods.parts.transfer import moved

NORMALISED_BYTES = 512 * 2**20
"""Images that need no augmentation are held as network inputs if these take no more memory than this."""


class ArrayBatches(Batches):
    """Serves inputs held on the device: a batch is one gather and, of images, one optional crop, one normalisation.

    Images that are not augmented are normalised once, where they fit: the same inputs to the last bit, and a gather is
    all that is left of a batch. The others stay bytes, a quarter of the memory to gather from. So do tokens, and
    targets of few values: integers become int64 in the batch.

    The draws of an epoch are made on the CPU and moved once, so a step neither waits for the device nor
    copies to it.

    Args:
        inputs: On the device; see `harness.tasks.data.contents.Arrays`.
        targets: On the device.
        batch_size: Samples of one batch.
        normalise: Makes network inputs of bytes; None where inputs are not images.
        seed: Seed of order and augmentation; None keeps the order of ``inputs`` in every epoch.
        augment: Augmentation; needs a seed.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        batch_size: int,
        normalise: Normalise | None,
        *,
        seed: int | None = None,
        augment: CropFlip | None = None,
    ) -> None:
        self.samples = len(targets)
        self.batch_size = batch_size
        self.training = seed is not None
        if normalise is not None and augment is None and 4 * inputs.numel() <= NORMALISED_BYTES:
            inputs = normalise(inputs.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        self._inputs = inputs
        self._targets = targets
        self._normalise = normalise
        self._seed = seed
        self._augment = augment

    def picks(self, index: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yield the indices of each batch's samples, and their draws; see `Batches.picks`."""
        device = self._inputs.device
        order = torch.arange(self.samples) if self._seed is None else shuffled(self.samples, self._seed, index)
        order = moved(order, device)
        draws = None
        if self._augment is not None and self._seed is not None:
            draws = moved(self._augment.draw(self.samples, self._seed, index), device)
        cuts = bounds(self.samples, self.batch_size, training=self.training)[start:]
        for begin, end in part(cuts, self.share):
            chosen = order[begin:end]
            yield (chosen,) if draws is None else (chosen, draws[chosen])

    def batch(self, *pick: Tensor) -> tuple[Tensor, Tensor]:
        """Gather, crop and normalise a batch; see `Batches.batch`."""
        chosen, *draws = pick
        inputs, targets = self._inputs[chosen], _whole(self._targets[chosen])
        if self._normalise is None:
            return _whole(inputs), targets
        if self._augment is not None and draws:
            inputs = self._augment.apply(inputs, *draws)
        # Images keep their channels last in memory, as gathered: convolutions run faster so, on CPUs as well.
        images = inputs.permute(0, 3, 1, 2)
        return self._normalise(images) if images.dtype == torch.uint8 else images, targets


def _whole(tensor: Tensor) -> Tensor:
    """Return integers as int64, floats as they are."""
    return tensor if tensor.is_floating_point() else tensor.long()
