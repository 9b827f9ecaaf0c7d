"""From the network that a run leaves to the file that is kept, and back."""

import json
import math
from typing import Any, NamedTuple

import numpy as np

from harness.networks import masks as codes
from harness.networks.masks import Bits, Coded
from harness.networks.tensors import FLOATS, Stored, content, parse

FORMAT, VERSION = "sparsebench-network", "1"

_MASK = "mask/"
_PIECES = ("q", "k", "v")
"""The matrices of a packed projection of ``torch.nn.MultiheadAttention``, masked one by one."""


class Kept(NamedTuple):
    """What a file of a kept network holds.

    Attributes:
        about: Which run it is of.
        tensors: Active values by the name of their mask, and all other tensors.
        masks: By the names of their weights.
        parts: Parameters that are kept in pieces, with the names of these.
        tied: Names of tensors that are kept under another.
    """

    about: dict[str, Any]
    tensors: dict[str, Stored]
    masks: dict[str, Coded]
    parts: dict[str, list[str]]
    tied: dict[str, str]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return the active weights of each mask, and how many of them are not zero.

        Raises:
            ValueError: A mask and its values do not belong together.
        """
        found = {}
        for name, mask in self.masks.items():
            codes.places(mask)
            values = self.tensors.get(name)
            if values is None or values.shape != (mask.active,):
                raise ValueError(f"the values of {name} are not those of its {mask.active} active weights")
            found[name] = mask.active, values.nonzero()
        return found

    @property
    def size(self) -> int:
        """Number of elements that `state` has, tied ones once."""
        dense = [tensor for name, tensor in self.tensors.items() if name not in self.masks]
        return sum(mask.size for mask in self.masks.values()) + sum(math.prod(tensor.shape) for tensor in dense)

    def state(self) -> dict[str, Stored]:
        """Return every tensor of the model in its own shape, as ``state_dict`` names them.

        Raises:
            ValueError: The file contradicts itself.
        """
        self.counts()
        whole = {
            name: _spread(tensor, codes.decoded(self.masks[name])) if name in self.masks else tensor
            for name, tensor in self.tensors.items()
        }
        try:
            for name, pieces in self.parts.items():
                whole[name] = _joined([whole.pop(piece) for piece in pieces])
            return whole | {name: whole[other] for name, other in self.tied.items()}
        except (KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"a part of the network is missing: {error}") from None


def pack(left: bytes, about: dict[str, Any]) -> bytes:
    """Return the content of the file to keep.

    Args:
        left: The content of the file that a run leaves (`harness.training.network`).
        about: Which run it is of, as plain values.

    Raises:
        ValueError: It is not such a file, or weights outside its masks are not zero.
    """
    state, masks = _taken_apart(left)
    parts = _split(state, masks)
    tensors: dict[str, Stored] = {}
    described: dict[str, Any] = {}
    weights: dict[str, Stored] = {}
    for name, mask in sorted(masks.items()):
        if name not in state or state[name].shape != mask.shape:
            raise ValueError(f"the mask of {name} is not that of a weight")
        weights[name] = state.pop(name)
        tensors[name] = _chosen(name, weights[name], mask)
        coded = codes.encode(mask)
        described[name] = coded.described()
        tensors[_MASK + name] = Stored("U8", coded.data.shape, coded.data.tobytes())
    tied = {name: other for name, tensor in sorted(state.items()) if (other := _same(tensor, weights)) is not None}
    tensors |= {name: tensor for name, tensor in state.items() if name not in tied}
    told = {"about": about, "masks": described, "parts": parts, "tied": tied}
    metadata = {name: json.dumps(value, separators=(",", ":"), allow_nan=False) for name, value in told.items()}
    return content(tensors, {"format": FORMAT, "version": VERSION, **metadata})


def unpack(read: bytes) -> Kept:
    """Return what the content of a kept file holds.

    Raises:
        ValueError: It is not such a file, or of a version that is not known here.
    """
    tensors, metadata = parse(read)
    if metadata.get("format") != FORMAT:
        raise ValueError("not a network that SparseBench has kept")
    if metadata.get("version") != VERSION:
        raise ValueError(f"version {metadata.get('version')!r} of the format is not known here, only {VERSION!r}")
    try:
        about, described, parts, tied = (json.loads(metadata[name]) for name in ("about", "masks", "parts", "tied"))
        coded = {name: codes.coded(each, _bytes(tensors.pop(_MASK + name))) for name, each in described.items()}
    except (KeyError, AttributeError, RecursionError):
        raise ValueError("the metadata are not those of a kept network") from None
    if not all(isinstance(each, dict) for each in (about, parts, tied)):
        raise ValueError("the metadata are not those of a kept network")
    if sum(mask.size for mask in coded.values()) > codes.MOST_WEIGHTS:
        raise ValueError(f"its masks are of more than {codes.MOST_WEIGHTS:,} weights")
    return Kept(about, tensors, coded, parts, tied)


def _taken_apart(left: bytes) -> tuple[dict[str, Stored], dict[str, Bits]]:
    state, _ = parse(left)
    masks = {}
    for name in [name for name in state if name.startswith(_MASK)]:
        dtype, shape, data = state.pop(name)
        if dtype != "BOOL":
            raise ValueError(f"{name} is not a boolean tensor")
        masks[name.removeprefix(_MASK)] = np.frombuffer(data, np.bool_).reshape(shape)
    return state, masks


def _split(state: dict[str, Stored], masks: dict[str, Bits]) -> dict[str, list[str]]:
    """Split packed projections of which a matrix has a mask into their three; return the names of these."""
    packed = {name.rpartition(".")[0] for name in masks if name not in state}
    for name in packed & state.keys():
        dtype, (rows, *rest), data = state.pop(name)
        third = len(data) // len(_PIECES)
        for number, piece in enumerate(_PIECES):
            part = memoryview(data)[number * third : (number + 1) * third]
            state[f"{name}.{piece}"] = Stored(dtype, (rows // len(_PIECES), *rest), part)
    return {name: [f"{name}.{piece}" for piece in _PIECES] for name in sorted(packed)}


def _chosen(name: str, weight: Stored, mask: Bits) -> Stored:
    """Return the active values of a weight.

    Raises:
        ValueError: Others are not zero, so that they would be lost.
    """
    words = weight.words()
    active = words[mask.reshape(-1)]
    values = Stored(weight.dtype, active.shape, active.tobytes())
    if (lost := weight.nonzero() - values.nonzero()) > 0:
        raise ValueError(f"{lost} weights of {name} outside its mask are not zero")
    return values


def _spread(values: Stored, mask: Bits) -> Stored:
    """Return a weight with its active values in their places, zero elsewhere."""
    whole = np.zeros(mask.size, f"<u{FLOATS[values.dtype]}")
    whole[mask.reshape(-1)] = np.frombuffer(values.data, whole.dtype)
    return Stored(values.dtype, mask.shape, whole.tobytes())


def _joined(pieces: list[Stored]) -> Stored:
    dtype, (_, *rest), _ = pieces[0]
    rows = sum(piece.shape[0] for piece in pieces)
    return Stored(dtype, (rows, *rest), b"".join(piece.data for piece in pieces))


def _same(tensor: Stored, weights: dict[str, Stored]) -> str | None:
    """Return the name of a masked weight with the same values: tied weights come once a name."""
    return next((name for name, weight in weights.items() if tensor.equals(weight)), None)


def _bytes(tensor: Stored) -> codes.Bytes:
    return np.frombuffer(tensor.data, np.uint8)
