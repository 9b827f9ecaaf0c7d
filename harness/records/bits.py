"""Which test samples a run classified correctly: one bit a sample, kept in its record as text.

``metrics.test_right`` is base64 of zlib of the bits, in the order of the data set, the first sample in the highest bit
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
        right: Whether each sample was classified correctly, bool, shape (samples,).

    Returns:
        The text; None if it is longer than a record may hold.
    """
    import numpy as np

    text = base64.b64encode(zlib.compress(np.packbits(right).tobytes(), 9)).decode()
    return text if len(text) <= LONGEST_BITS else None


def right(record: Record) -> "np.ndarray | None":
    """Return which test samples a run classified correctly.

    Args:
        record: As `harness.records.load` returns it.

    Returns:
        bool, shape (``dataset.test_examples``,), in the order of the data set; None if the record does not say.

    Raises:
        ValueError: What it says cannot be read or is of another number of samples.
    """
    text = record["metrics"].get("test_right")
    if text is None:
        return None
    import numpy as np

    samples = record["config"]["dataset"]["test_examples"]
    return np.unpackbits(np.frombuffer(unpack(text, samples), dtype=np.uint8), count=samples).astype(bool)


def unpack(text: str, samples: int) -> bytes:
    """Return the bits of a text, without numpy.

    Args:
        text: As `pack` made it.
        samples: How many bits there must be.

    Raises:
        ValueError: The text cannot be read, or holds another number of bits.
    """
    size = (samples + 7) // 8
    stream = zlib.decompressobj()
    try:
        content = base64.b64decode(text, validate=True)
        found = stream.decompress(content, size + 1)
    except (binascii.Error, zlib.error, ValueError):
        raise ValueError("test_right: cannot be read; it is base64 of zlib of one bit a sample") from None
    if len(found) != size:
        more = "more" if len(found) > size else str(8 * len(found))
        raise ValueError(f"test_right: {more} bits where the test set has {samples} samples")
    if samples % 8 and found[-1] & ((1 << (8 - samples % 8)) - 1):
        raise ValueError(f"test_right: more bits than the {samples} samples of the test set")
    # One text for one stream: nothing after its end, and no other base64 of it.
    if not stream.eof or stream.unused_data or base64.b64encode(content).decode() != text:
        raise ValueError("test_right: the stream ends early, or data follow its end")
    return found


def differing(one: str, other: str, samples: int) -> int:
    """Return the samples on which two runs differ.

    Raises:
        ValueError: See `unpack`.
    """
    bits = (int.from_bytes(unpack(text, samples), "big") for text in (one, other))
    return (next(bits) ^ next(bits)).bit_count()
