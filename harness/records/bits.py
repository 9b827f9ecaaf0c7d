"""Which test images a run classified correctly: one bit an image, kept in its record as text.

``metrics.test_right`` is base64 of zlib of the bits, in the order of the data set, the first image in the highest bit
of the first byte and the last byte filled up with zeros.
"""

import base64
import binascii
import zlib
from typing import TYPE_CHECKING

from harness.records.record import Record
from harness.records.shapes import LONGEST_BITS

if TYPE_CHECKING:
    import numpy as np


def pack(right: "np.ndarray") -> str | None:
    """Return the text for a record.

    Args:
        right: Whether each image was classified correctly, bool, shape (images,).

    Returns:
        The text; None if it is longer than a record may hold.
    """
    import numpy as np

    text = base64.b64encode(zlib.compress(np.packbits(right).tobytes(), 9)).decode()
    return text if len(text) <= LONGEST_BITS else None


def right(record: Record) -> "np.ndarray | None":
    """Return which test images a run classified correctly.

    Args:
        record: As `harness.records.load` returns it.

    Returns:
        bool, shape (``dataset.test_examples``,), in the order of the data set; None if the record does not say.

    Raises:
        ValueError: What it says cannot be read or is of another number of images.
    """
    text = record["metrics"].get("test_right")
    if text is None:
        return None
    import numpy as np

    images = record["config"]["dataset"]["test_examples"]
    return np.unpackbits(np.frombuffer(unpack(text, images), dtype=np.uint8), count=images).astype(bool)


def unpack(text: str, images: int) -> bytes:
    """Return the bits of a text, without numpy.

    Args:
        text: As `pack` made it.
        images: How many bits there must be.

    Raises:
        ValueError: The text cannot be read, or holds another number of bits.
    """
    size = (images + 7) // 8
    try:
        found = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, zlib.error, ValueError):
        raise ValueError("test_right: cannot be read; it is base64 of zlib of one bit an image") from None
    if len(found) != size:
        more = "more" if len(found) > size else str(8 * len(found))
        raise ValueError(f"test_right: {more} bits where the test set has {images} images")
    if images % 8 and found[-1] & ((1 << (8 - images % 8)) - 1):
        raise ValueError(f"test_right: more bits than the {images} images of the test set")
    return found


def differing(one: str, other: str, images: int) -> int:
    """Return the images on which two runs differ.

    Raises:
        ValueError: See `unpack`.
    """
    bits = (int.from_bytes(unpack(text, images), "big") for text in (one, other))
    return (next(bits) ^ next(bits)).bit_count()
