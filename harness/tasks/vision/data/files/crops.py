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


def random_crop(width: int, height: int, seed: int, epoch: int, index: int) -> Crop:
    """Return the training crop of sample ``index`` in an epoch; its stream belongs to the sample and the epoch."""
    draws = random.Random(derive(seed, "augment", epoch, index))
    box = resized_crop_box(width, height, draws)
    return Crop(*box, flip=draws.random() < 0.5)


def crop_region(crop: Crop) -> Region:
    """Return the region of a training crop: its box and nothing around it, as where a crop is cut out first."""
    left, right = (crop.width, 0) if crop.flip else (0, crop.width)
    return Region(crop.top, crop.left, crop.height, crop.width, 0, left, crop.height, right)


def shorter_side(side: int) -> int:
    """Return what evaluation resizes the shorter side to: 256 for 224, in proportion for other inputs."""
    return round(side * 256 / 224)


def central_region(width: int, height: int, side: int) -> Region:
    """Return the region of evaluation: the centre of what the picture is once its shorter side is resized."""
    shorter = shorter_side(side)
    # As torchvision rounds: the longer side down, the corner of the centre to the nearest pixel.
    across, down = (int(shorter * length / min(width, height)) for length in (width, height))
    top, rows, from_row, to_row = _middle(height, down, side)
    left, columns, from_column, to_column = _middle(width, across, side)
    return Region(top, left, rows, columns, from_row, from_column, to_row, to_column)


def _middle(length: int, resized: int, side: int) -> tuple[int, int, float, float]:
    """Begin and length of the pixels needed along one axis, and the part of them that the centre covers."""
    scale = length / resized
    begin = round((resized - side) / 2) * scale
    end = begin + side * scale
    reach = max(scale, 1) + 1  # of the triangular filter, and a pixel to spare
    first, last = max(0, math.floor(begin - reach)), min(length, math.ceil(end + reach))
    return first, last - first, begin - first, end - first
