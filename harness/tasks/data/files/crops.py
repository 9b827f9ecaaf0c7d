"""Where a picture of any size is cropped: drawn here alone, so that every loader serves the same crops."""

import math
import random
from typing import NamedTuple

from harness.seeds import derive


class Crop(NamedTuple):
    """A part of a picture, in pixels of the file, and whether it is mirrored after it was resized."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


class Region(NamedTuple):
    """What a decoder needs of a picture to make a network input: it decodes a box and resamples a part of it.

    ``top``, ``left``, ``height`` and ``width`` are the box, in pixels of the file. The part, ``from_*`` to ``to_*``,
    is in fractions of a pixel, counted from the corner of the box; the filter may look beyond it, into the rest of
    the box. Where ``from_column`` is the larger one the picture is mirrored.
    """

    top: int
    left: int
    height: int
    width: int
    from_row: float
    from_column: float
    to_row: float
    to_column: float


Shape = tuple[int, int]
"""Height and width of a network input in pixels."""


def resized_crop_box(width: int, height: int, draws: random.Random, proportion: float = 1) -> tuple[int, int, int, int]:
    """Choose a random crop of 8 to 100 % of the area and an aspect ratio of 3:4 to 4:3 (Szegedy et al. 2014).

    Args:
        width: Of the picture, in pixels.
        height: As ``width``.
        draws: What chooses.
        proportion: Width to height of the network's input; the aspect ratio is relative to it.

    Returns:
        Top, left, height and width in pixels; the largest allowed central crop if ten tries do not fit.
    """
    low, high = 3 / 4 * proportion, 4 / 3 * proportion
    for _ in range(10):
        area = width * height * draws.uniform(0.08, 1)
        ratio = math.exp(draws.uniform(math.log(low), math.log(high)))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            return draws.randint(0, height - down), draws.randint(0, width - across), down, across
    across = min(width, round(height * high))
    down = min(height, round(width / low))
    return (height - down) // 2, (width - across) // 2, down, across


def random_crop(width: int, height: int, seed: int, epoch: int, index: int, *, proportion: float = 1) -> Crop:
    """Return the training crop of sample ``index`` in an epoch; its stream belongs to the sample and the epoch.

    For ``proportion`` see `resized_crop_box`.
    """
    draws = random.Random(derive(seed, "augment", epoch, index))
    box = resized_crop_box(width, height, draws, proportion)
    return Crop(*box, flip=draws.random() < 0.5)


def crop_region(crop: Crop) -> Region:
    """Return the region of a training crop: its box and nothing around it, as where a crop is cut out first."""
    left, right = (crop.width, 0) if crop.flip else (0, crop.width)
    return Region(crop.top, crop.left, crop.height, crop.width, 0, left, crop.height, right)


def resized(width: int, height: int, shape: Shape) -> Shape:
    """Return what evaluation resizes a picture to, proportions kept: it just covers the input and a margin.

    The margin is that of 256 pixels for 224, so for square inputs the shorter side becomes 256/224 of the input's.

    Returns:
        Height and width in pixels.
    """
    down, across = (round(side * 256 / 224) for side in shape)
    # As torchvision rounds: the longer side down.
    if width * down <= height * across:
        return max(int(across * height / width), down), across
    return down, max(int(down * width / height), across)


def central_region(width: int, height: int, shape: Shape) -> Region:
    """Return the region of evaluation: the centre of what the picture is once it is resized."""
    down, across = resized(width, height, shape)
    # As torchvision rounds: the corner of the centre to the nearest pixel.
    top, rows, from_row, to_row = _middle(height, down, shape[0])
    left, columns, from_column, to_column = _middle(width, across, shape[1])
    return Region(top, left, rows, columns, from_row, from_column, to_row, to_column)


def _middle(length: int, resized: int, side: int) -> tuple[int, int, float, float]:
    """Begin and length of the pixels needed along one axis, and the part of them that the centre covers."""
    scale = length / resized
    begin = round((resized - side) / 2) * scale
    end = begin + side * scale
    reach = max(scale, 1) + 1  # of the triangular filter, and a pixel to spare
    first, last = max(0, math.floor(begin - reach)), min(length, math.ceil(end + reach))
    return first, last - first, begin - first, end - first
