"""Masks as few bytes: one bit a weight, or the gaps between active weights in Golomb-Rice code, whichever is smaller.

A random mask of density d holds H(d) = -d log2(d) - (1 - d) log2(1 - d) bits a weight. One bit a weight is far from
that where most weights are gone, and so are plain indices. Gaps between the active weights of a random mask are
geometrically distributed, for which Golomb's code (Golomb 1966; Rice 1979 for powers of 2) is within a few per cent of
the bound at any density. Where more than half of the weights are active, the gaps between the others are coded.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

_MOST_LOW_BITS = 40
MOST_WEIGHTS = 1 << 32
"""Weights of the largest network that is read: a mask without active weights takes no bytes, whatever its shape."""


class Coded(NamedTuple):
    """A mask as bytes.

    Attributes:
        shape: Of the mask.
        code: ``"bits"``, one a weight in row-major order, the most significant of a byte first; or ``"gaps"``.
        of: ``"active"`` or ``"inactive"``: the weights whose gaps are coded. A gap is how many others lie before one.
        number: How many weights that are.
        low: How many low bits of a gap are written as they are. They come first, of all gaps, the lowest bit of each
            first; then each gap divided by 2 ** low in unary, as so many zeros and a one.
        data: The bytes.
    """

    shape: tuple[int, ...]
    code: str
    of: str
    number: int
    low: int
    data: Bytes

    @property
    def size(self) -> int:
        """Number of weights, active or not."""
        found = 1
        for side in self.shape:
            found *= side
        return found

    @property
    def active(self) -> int:
        """Number of active weights, as stated; `places` and `decoded` check it."""
        return self.number if self.of == "active" else self.size - self.number

    def described(self) -> dict[str, Any]:
        """Return everything but the data, as plain values."""
        return {"shape": list(self.shape), "code": self.code, "of": self.of, "number": self.number, "low": self.low}


def encode(mask: Bits) -> Coded:
    """Code a mask of any shape in the fewest bytes that the two codes need."""
    flat = mask.reshape(-1)
    active = int(np.count_nonzero(flat))
    of = "active" if 2 * active <= flat.size else "inactive"
    places = np.flatnonzero(flat if of == "active" else ~flat).astype(np.int64)
    gaps = np.diff(places, prepend=np.int64(-1)) - 1
    low = min(range(int(gaps.max(initial=0)).bit_length() + 1), key=lambda bits: _length(gaps, bits))
    if _length(gaps, low) < flat.size:
        return Coded(mask.shape, "gaps", of, gaps.size, low, _written(gaps, low))
    return Coded(mask.shape, "bits", "active", active, 0, np.packbits(flat))


def coded(described: Any, data: Bytes) -> Coded:
    """Return a coded mask from the result of `Coded.described` and its bytes.

    Raises:
        ValueError: They do not belong together.
    """
    try:
        shape = tuple(described["shape"])
        found = Coded(shape, described["code"], described["of"], described["number"], described["low"], data)
    except (KeyError, TypeError):
        raise ValueError("a mask is not described") from None
    whole = (*shape, found.number, found.low)
    if any(type(number) is not int or number < 0 for number in whole) or found.size > MOST_WEIGHTS:
        raise ValueError("a mask has no possible shape or count")
    if found.code not in ("bits", "gaps") or found.of not in ("active", "inactive") or found.low > _MOST_LOW_BITS:
        raise ValueError("a mask has an unknown code")
    if found.number > found.size:
        raise ValueError("a mask has more active weights than weights")
    return found


def places(mask: Coded) -> Places:
    """Return the flat indices of the weights that a mask codes, in order; takes memory by its bytes, not its shape.

    Raises:
        ValueError: The bytes do not fit the description.
    """
    bits = np.unpackbits(mask.data)
    found = np.flatnonzero(bits) if mask.code == "bits" else _read(mask, bits)
    if len(found) != mask.number or (len(found) and found[-1] >= mask.size):
        raise ValueError("the bytes of a mask do not fit its shape and count")
    return found.astype(np.int64)


def decoded(mask: Coded) -> Bits:
    """Return a mask in its shape.

    Raises:
        ValueError: The bytes do not fit the description.
    """
    chosen = places(mask)
    flat = np.full(mask.size, mask.of == "inactive")
    flat[chosen] = mask.of == "active"
    return flat.reshape(mask.shape)


def _length(gaps: Places, low: int) -> int:
    """Return the length of the code in bits."""
    return gaps.size * (low + 1) + int((gaps >> low).sum())


def _written(gaps: Places, low: int) -> Bytes:
    bits = np.zeros(_length(gaps, low), np.uint8)
    for bit in range(low):
        bits[bit : gaps.size * low : low] = (gaps >> bit) & 1
    bits[gaps.size * low + np.cumsum((gaps >> low) + 1) - 1] = 1
    return np.packbits(bits)


def _read(mask: Coded, bits: Bytes) -> Places:
    ends = np.flatnonzero(bits[mask.number * mask.low :])
    if len(ends) != mask.number:
        raise ValueError("the bytes of a mask do not fit its count")
    gaps = (np.diff(ends, prepend=-1) - 1).astype(np.int64)
    # Before anything can overflow: no gap is larger than the layer, nor are all of them together.
    if gaps.max(initial=0) > mask.size >> mask.low:
        raise ValueError("the bytes of a mask do not fit its shape")
    gaps <<= mask.low
    for bit in range(mask.low):
        gaps |= bits[bit : mask.number * mask.low : mask.low].astype(np.int64) << bit
    if gaps.sum(dtype=np.float64) > mask.size:
        raise ValueError("the bytes of a mask do not fit its shape")
    return np.cumsum(gaps + 1) - 1
