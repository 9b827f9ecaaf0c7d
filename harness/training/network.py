"""The trained network of a run as a safetensors file: tensors and names, nothing that could be run when it is read."""

import os
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.records.store import sync_folder
from harness.training import sealed

FINAL = "final.safetensors"
"""The network of a run that is done."""

_MASK = "mask/"
"""Begins the name of a mask; what follows is the name of its weight."""


class Network(NamedTuple):
    """What a file holds.

    Attributes:
        state: Parameters and buffers by name, as ``state_dict`` returns them; weights that are tied come once a name.
        masks: Boolean tensors by the names of their weights, in alphabetical order.
    """

    state: dict[str, Tensor]
    masks: dict[str, Tensor]


def write(network: Network, path: Path) -> None:
    """Write a network, atomically.

    Raises:
        OSError: It cannot be written; nothing is left of it.
        TypeError: Something in the state is not a dense tensor.
    """
    for name, tensor in network.state.items():
        if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided or tensor.is_quantized:
            raise TypeError(f"the model's {name} is not a dense tensor, so that its network cannot be written")
    tensors = {**network.state, **{_MASK + name: mask for name, mask in network.masks.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = sealed.part_of(path)
    try:
        # A copy each: tied weights share memory and others do not lie in the order of their dimensions, which the
        # format cannot say.
        save_file({name: _plain(tensor) for name, tensor in tensors.items()}, part)
        part.chmod(0o644)  # the library makes it private, and the referee, another user, reads it
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except SafetensorError as error:
        sealed.remove(part)
        raise OSError(str(error)) from None
    except BaseException:
        sealed.remove(part)
        raise
    sync_folder(path.parent)


def read(path: Path) -> Network:
    """Read a network, on the CPU.

    Raises:
        ValueError: It is not a safetensors file.
        OSError: It cannot be read.
    """
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name}: {error}") from None
    masks = {name.removeprefix(_MASK): tensors.pop(name) for name in sorted(tensors) if name.startswith(_MASK)}
    return Network(tensors, masks)


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
