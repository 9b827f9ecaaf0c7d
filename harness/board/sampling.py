"""What another draw of test samples would add to the interval of an accuracy (docs/standing.md)."""

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.board.statistics import LEVEL
from harness.board.tables import Row, result
from harness.records import Record, bits
from harness.records.metrics import ACCURACY

if TYPE_CHECKING:
    import numpy as np

    Answers = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def half_width(row: Row) -> float | None:
    """Return half the 95 % interval of a row's accuracy over seeds and test samples.

    The half widths of the two parts are added in squares (Zou and Donner 2008), so that it is never narrower than
    that over seeds.

    Returns:
        None unless there are two runs at least, and each says which samples it got right; other metrics have none.
    """
    if row.metric != ACCURACY or row.score is None or row.score.half_width is None:
        return None
    answers = [_answers(run) for run in row.counted.values()]
    known = [each for each in answers if each is not None]
    if len(known) < len(answers) or len({samples for _, samples in known}) > 1:
        return None
    return math.hypot(row.score.half_width, _of_samples(tuple(text for text, _ in known), known[0][1]))


def _answers(run: Record) -> tuple[str, int] | None:
    """Return a run's right and wrong answers as recorded, and how many there are; None where they tell nothing."""
    text, samples = run["metrics"].get("test_right"), (run["config"].get("dataset") or {}).get("test_examples")
    if not text or not samples or samples < 2:
        return None
    decoded = _decoded(text, samples)
    # those of another result than the accuracy tell nothing of it
    agree = decoded is not None and abs(decoded[0] - samples * result(run)) < 1
    return (text, samples) if agree else None


@functools.lru_cache(maxsize=65536)  # every view asks
def _decoded(text: str, samples: int) -> tuple[int, bytes] | None:
    """Return how many samples a run got right, and which, packed; None if that cannot be read."""
    try:
        packed = bits.unpack(text, samples)
    except ValueError:
        return None
    return int.from_bytes(packed, "big").bit_count(), packed


@functools.lru_cache(maxsize=65536)
def _of_samples(texts: tuple[str, ...], samples: int) -> float:
    """Return the part of the half width that is due to the draw of test samples."""
    import numpy as np
    from scipy import special

    decoded = [known for text in texts if (known := _decoded(text, samples)) is not None]
    packed = [np.frombuffer(each, dtype=np.uint8) for _, each in decoded]
    variance = variance_of_samples([np.unpackbits(each, count=samples).astype(bool) for each in packed])
    return float(special.ndtri(1 - LEVEL / 2)) * math.sqrt(variance)


def variance_of_samples(answers: "Sequence[Answers]") -> float:
    """Return the part of the variance of the mean accuracy that is due to the draw of test samples.

    Of the two-way layout of seeds by samples without replication, (MS_sample − MS_rest) / (seeds × samples): unbiased
    but for being cut at 0.

    Args:
        answers: For each of at least two seeds, which of the same samples the run got right.
    """
    import numpy as np

    table = np.array(answers, dtype=bool)
    seeds, samples = table.shape
    right = int(table.sum())
    # of zeros and ones, so that a square is the value itself
    correction = right**2 / (seeds * samples)
    among_samples = int((table.sum(axis=0, dtype=np.int64) ** 2).sum()) / seeds - correction
    among_seeds = int((table.sum(axis=1, dtype=np.int64) ** 2).sum()) / samples - correction
    rest = right - correction - among_samples - among_seeds
    difference = among_samples / (samples - 1) - rest / ((seeds - 1) * (samples - 1))
    return max(0.0, difference) / (seeds * samples)
