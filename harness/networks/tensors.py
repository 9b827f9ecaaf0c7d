"""Tensors as bytes, and the safetensors files that hold them: nothing here needs torch, or runs what a file holds."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize

FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""The types of weights that can be masked, as the format names them, and their bytes."""

_LENGTH = 8  # bytes of a file that say how long its header is


class Stored(NamedTuple):
    """A tensor as a file holds it.

    Attributes:
        dtype: Its type in the format's words, ``"F32"``.
        shape: Its shape.
        data: Its elements in row-major order, little-endian.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes | bytearray | memoryview

    def words(self) -> npt.NDArray[Any]:
        """Return the elements as unsigned integers of their size, flat: whatever their type is, bits stay bits.

        Raises:
            ValueError: An element has no whole number of bytes that NumPy knows.
        """
        count = math.prod(self.shape)
        size = len(self.data) // count if count else 1
        if size not in (1, 2, 4, 8) or size * count != len(self.data):
            raise ValueError(f"a tensor of {self.dtype} elements cannot be taken apart")
        return np.frombuffer(self.data, f"<u{size}")

    def nonzero(self) -> int:
        """Return how many elements are not zero; zero may have a sign.

        Raises:
            ValueError: The elements are not floating-point numbers.
        """
        if self.dtype not in FLOATS:
            raise ValueError(f"weights of type {self.dtype} are not among {', '.join(FLOATS)}")
        words = self.words()
        without_sign = words.dtype.type((1 << (8 * words.itemsize - 1)) - 1)
        return int(np.count_nonzero(words & without_sign))

    def equals(self, other: "Stored") -> bool:
        """Return whether every bit is the same."""
        return self[:2] == other[:2] and bytes(self.data) == bytes(other.data)


def content(tensors: Mapping[str, Stored], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the content of a safetensors file; the same tensors and metadata give the same bytes."""
    names = sorted(tensors, key=lambda name: (-_element(tensors[name]), name))  # so that each is aligned
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    place = 0
    for name in names:
        dtype, shape, data = tensors[name]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [place, place + len(data)]}
        place += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH)
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *(tensors[name].data for name in names)])


def parse(read: bytes) -> tuple[dict[str, Stored], dict[str, str]]:
    """Return the tensors and the metadata that a file's content is.

    Raises:
        ValueError: It is not that of a safetensors file.
    """
    try:
        found = deserialize(read)
    except SafetensorError as error:
        raise ValueError(f"not a safetensors file: {error}") from None
    length = int.from_bytes(read[:_LENGTH], "little")
    metadata = json.loads(read[_LENGTH : _LENGTH + length]).get("__metadata__") or {}
    return {name: Stored(each["dtype"], tuple(each["shape"]), each["data"]) for name, each in found}, metadata


def _element(tensor: Stored) -> int:
    return len(tensor.data) // (math.prod(tensor.shape) or 1)
