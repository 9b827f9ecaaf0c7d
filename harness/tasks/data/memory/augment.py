"""Random crops and flips of whole batches, with draws that belong to a sample and an epoch."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.errors import unknown
from harness.tasks.data.order import generator


@dataclass(frozen=True)
class CropFlip:
    """Pad with black, crop back to the original size at a random place, and mirror half of the images.

    Attributes:
        pad: Pixels added on each side.
        flip: Whether to mirror.
    """

    pad: int
    flip: bool

    def draw(self, samples: int, seed: int, epoch: int) -> Tensor:
        """Draw one epoch's crops and flips.

        Returns:
            int64 [samples, 3] on the CPU: the row and column where the crop of the padded image begins, 0 to
            2 x pad, and 1 where the crop is mirrored. Row i belongs to sample i, wherever the order puts it.
        """
        stream = generator(seed, "augment", epoch)
        corners = torch.randint(2 * self.pad + 1, (samples, 2), generator=stream)
        mirrored = torch.randint(2, (samples, 1), generator=stream) * int(self.flip)
        return torch.cat([corners, mirrored], dim=1)

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        """Return the crops of images [batch, height, width, channels] by the batch's rows of `draw`."""
        batch, height, width, _ = images.shape
        padded = F.pad(images, (0, 0, self.pad, self.pad, self.pad, self.pad))
        rows = torch.arange(height, device=images.device)
        columns = torch.arange(width, device=images.device)
        top, left, mirrored = draws[:, 0, None], draws[:, 1, None], draws[:, 2, None]
        columns = left + torch.where(mirrored.bool(), width - 1 - columns, columns)
        sample = torch.arange(batch, device=images.device)
        return padded[sample[:, None, None], (top + rows)[:, :, None], columns[:, None, :]]


def augmentation(name: str, side: int) -> CropFlip | None:
    """Return the augmentation of that name for images of ``side`` pixels; None where images stay as they are.

    Args:
        name: ``none``; ``crop_flip``, the usual one of CIFAR (pad 4, crop, mirror); or ``crop`` for signs that
            are not the same mirrored, with a twelfth of the side (1 pixel at 8x8, 2 at 28x28) as padding.
        side: Height of an image in pixels.

    Raises:
        UsageError: If there is no such augmentation for images in memory.
    """
    choices = {
        "none": None,
        "crop_flip": CropFlip(4, flip=True),
        "crop": CropFlip(max(1, side // 12), flip=False),
    }
    if name not in choices:
        raise unknown("augmentation of small images (recipe.augment)", name, choices)
    return choices[name]
