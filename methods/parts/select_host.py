"""Exact selection on the CPU without sorting: float bit patterns as integers, and a sampled bracket around the k-th.

A non-negative float orders as its bit pattern does, so magnitudes become unsigned keys on which NumPy's vectorised
comparisons work: branching on a mask (``where``, ``masked_fill``) takes ten times as long. Work proceeds block by
block, so that intermediate results stay in the cache and each score is read once.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

Part = tuple[np.ndarray, np.ndarray]
"""Scores (float32 or float64, of which the magnitudes count) and a mask that is non-zero at candidates; both flat."""

_UNSIGNED: dict[int, type[np.unsignedinteger]] = {4: np.uint32, 8: np.uint64}
_LARGEST = {4: 2**31 - 1, 8: 2**63 - 1}
_BLOCK = 1 << 17

# Up to this many scores, taking all of them as the bracket is faster than sampling first.
_FEW = 1 << 11
# A prime stride keeps the sample off the period of kernels and channels.
_STRIDES = (1, 5, 7, 11, 17, 31, 61, 101, 149, 211, 307, 401, 503)


class _Sifted(NamedTuple):
    """A part divided by a bracket of keys: ``marked`` lies above it; ``keys`` at the indices ``where`` lie inside."""

    marked: np.ndarray
    above: int
    where: np.ndarray
    keys: np.ndarray


_Each = Callable[[Callable[[Part], _Sifted], Sequence[Part]], Iterable[_Sifted]]


def mark(parts: Sequence[Part], k: int, each: _Each = map) -> list[np.ndarray]:
    """Mark the ``k`` largest magnitudes among the candidates of all parts together; ties go to the first.

    A sorted sample gives two keys that very likely enclose the k-th largest. One pass marks everything above them and
    collects the few in between, among which the k-th is found by partition. If the sample misled, the bracket opens
    on the side that was missed: the result is exact whatever the sample.

    Args:
        parts: Scores and candidates.
        k: How many.
        each: Does the work for each part; a thread pool's ``map`` does it in parallel.

    Returns:
        A bool array for each part, with exactly ``k`` set in all.

    Raises:
        ValueError: There are fewer candidates.
    """
    if k == 0:
        return [np.zeros(scores.size, dtype=bool) for scores, _ in parts]
    low, high = _bracket(parts, k)
    while True:
        sifted = list(each(lambda part: _sift(part, low, high), parts))  # noqa: B023 - used at once
        enclosed = np.concatenate([part.keys for part in sifted])
        wanted = k - sum(part.above for part in sifted)
        if wanted <= 0:
            low, high = high, _LARGEST[enclosed.itemsize]
        elif wanted <= enclosed.size:
            break
        elif low > 0:
            low, high = 0, low
        else:
            raise ValueError(f"{k} scores were requested of fewer candidates")
    threshold = np.partition(enclosed, enclosed.size - wanted)[enclosed.size - wanted]
    wanted -= int(np.count_nonzero(enclosed > threshold))
    for part in sifted:
        part.marked[part.where[part.keys > threshold]] = True
        tied = part.where[part.keys == threshold][:wanted]
        part.marked[tied] = True
        wanted -= tied.size
    return [part.marked for part in sifted]


def exchange(alive: np.ndarray, active: int, magnitude: np.ndarray, score: np.ndarray, k: int) -> np.ndarray:
    """Drop and grow; see `methods.parts.select.exchange_each`."""
    (kept,) = mark([(magnitude, alive)], active - k)
    (grown,) = mark([(score, ~kept)], k)
    grown |= kept
    return grown


def _sift(part: Part, low: int, high: int) -> _Sifted:
    scores, mask = part
    marked = np.empty(scores.size, dtype=bool)
    above, where, keys = 0, [np.empty(0, np.intp)], [_keys(scores[:0])]
    # Reused: allocating per block costs as much as comparing.
    size = min(scores.size, _BLOCK)
    buffer, candidate, within = np.empty_like(keys[0], shape=size), np.empty(size, bool), np.empty(size, bool)
    for start in range(0, scores.size, _BLOCK):
        block = slice(start, min(start + _BLOCK, scores.size))
        here = slice(block.stop - start)
        found = _keys(scores[block], buffer[here])
        candidates = mask[block] if mask.dtype == bool else np.not_equal(mask[block], 0, out=candidate[here])
        over = np.greater(found, high, out=marked[block])
        over &= candidates
        inside = np.greater_equal(found, low, out=within[here])
        inside &= candidates
        inside ^= over
        above += int(np.count_nonzero(over))
        (positions,) = inside.nonzero()
        keys.append(found[positions])
        positions += start
        where.append(positions)
    return _Sifted(marked, above, np.concatenate(where), np.concatenate(keys))


def _keys(scores: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the bit patterns without signs: unsigned integers that order as magnitudes do, NaN above all."""
    unsigned = _UNSIGNED[scores.itemsize]
    return np.bitwise_and(scores.view(unsigned), unsigned(_LARGEST[scores.itemsize]), out=out)


def _bracket(parts: Sequence[Part], k: int) -> tuple[int, int]:
    """Return keys that enclose the k-th largest in all but one of some 400 cases (three standard deviations)."""
    total = sum(scores.size for scores, _ in parts)
    largest = _LARGEST[parts[0][0].itemsize]
    if total <= _FEW:
        return 0, largest
    # About where sorting more samples and collecting a wider bracket cost the same.
    stride = max(stride for stride in _STRIDES if stride <= max(total ** (1 / 3) / 2, 1))
    sample = np.sort(np.concatenate([_keys(scores[::stride]) * (mask[::stride] != 0) for scores, mask in parts]))
    share = k / total
    rank = sample.size * (1 - share)
    margin = 3 * math.sqrt(sample.size * share * (1 - share)) + 2
    low, high = max(math.floor(rank - margin), 0), math.ceil(rank + margin)
    return int(sample[low]), int(sample[high]) if high < sample.size else largest
