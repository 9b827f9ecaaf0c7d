"""What another draw of test images would add to the interval of a row (docs/standing.md)."""

import math
from typing import TYPE_CHECKING

from harness.board.statistics import LEVEL
from harness.board.tables import Row
from harness.records import bits

if TYPE_CHECKING:
    import numpy as np

    Answers = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def half_width(row: Row) -> float | None:
    """Return half the 95 % interval of a row's accuracy over seeds and test images.

    The half widths of the two parts are added in squares (Zou and Donner 2008), so that it is never narrower than
    that over seeds.

    Returns:
        None unless there are two runs at least, and each says which images it got right.
    """
    accuracy = row.accuracy
    if accuracy is None or accuracy.half_width is None:
        return None
    answers = [bits.right(run) for run in row.counted.values()]
    known = [each for each in answers if each is not None and len(each) > 1]
    if len(known) < accuracy.n or len({len(each) for each in known}) > 1:
        return None
    from scipy import special

    images = float(special.ndtri(1 - LEVEL / 2)) * math.sqrt(variance_of_images(known))
    return math.hypot(accuracy.half_width, images)


def variance_of_images(answers: "list[Answers]") -> float:
    """Return the part of the variance of the mean accuracy that is due to the draw of test images.

    Of the two-way layout of seeds by images without replication, (MS_image − MS_rest) / (seeds × images): unbiased
    but for being cut at 0.

    Args:
        answers: For each of at least two seeds, which of the same images the run got right.
    """
    import numpy as np

    table = np.array(answers, dtype=np.float64)
    seeds, images = table.shape
    of_images, of_seeds, mean = table.mean(axis=0), table.mean(axis=1), table.mean()
    among_images = seeds * float(((of_images - mean) ** 2).sum())
    among_seeds = images * float(((of_seeds - mean) ** 2).sum())
    rest = float(((table - mean) ** 2).sum()) - among_images - among_seeds
    difference = among_images / (images - 1) - rest / ((seeds - 1) * (images - 1))
    return max(0.0, difference) / (seeds * images)
