"""What a model keeps beside its ``state_dict``: buffers that are not persistent, and attributes of its modules.

Checkpoints hold it as far as it is made of tensors and plain values, so that a resumed run goes on to the bit. What may
be kept there is looked at by `harness.training.reproducible`.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

State = dict[str, Any]
"""Tensors and plain values by the names of modules and their attributes."""

_OF_TORCH = frozenset(vars(nn.Module()))
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def state_dict(model: nn.Module, but: State | None = None) -> State:
    """Return what a model keeps beside its ``state_dict``, as far as a checkpoint can hold it.

    Args:
        model: The model.
        but: Values that are left out where they are still the same (`plain`).
    """
    but = but or {}
    return {name: value for name, value in _kept(model) if name not in but or not _equal(value, but[name])}


def plain(model: nn.Module) -> State:
    """Return what of `state_dict` is numbers and strings."""
    return {name: value for name, value in _kept(model) if isinstance(value, _PLAIN)}


def load_state_dict(model: nn.Module, state: State) -> None:
    """Restore what `state_dict` returned; tensors of the same shape keep their storage.

    Raises:
        AttributeError, RuntimeError: It is of another model.
    """
    here = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    for name, value in state.items():
        place, _, attribute = name.rpartition(".")
        module = model.get_submodule(place)
        now = getattr(module, attribute, None)
        if isinstance(now, torch.Generator):
            now.set_state(value.cpu())
        elif isinstance(now, Tensor) and isinstance(value, Tensor) and _fits(now, value):
            with torch.no_grad():
                now.copy_(value)
        else:
            setattr(module, attribute, _on(value, now.device if isinstance(now, Tensor) else here))


def _kept(model: nn.Module) -> Iterator[tuple[str, Any]]:
    own = {tensor.untyped_storage()._cdata for tensor in model.state_dict(keep_vars=True).values() if _dense(tensor)}
    for place, module in model.named_modules():
        buffers = {name: module._buffers[name] for name in module._non_persistent_buffers_set}
        others = {name: value for name, value in vars(module).items() if name not in _OF_TORCH}
        for name, value in (buffers | others).items():
            kept = value.get_state() if isinstance(value, torch.Generator) else value
            if _plain(kept, own):
                yield f"{place}.{name}".removeprefix("."), _copied(kept)


def _dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided


def _plain(value: Any, own: set[int]) -> bool:
    """Whether a value can be stored, and is not a part of the model's own tensors."""
    if isinstance(value, Tensor):
        return _dense(value) and value.untyped_storage()._cdata not in own
    if type(value) in (list, tuple):
        return all(_plain(each, own) for each in value)
    if type(value) is dict:
        return all(_plain(each, own) for pair in value.items() for each in pair)
    return type(value) in _PLAIN


def _copied(value: Any) -> Any:
    """Return a value whose containers are its own, and its tensors without a history."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, list | tuple):
        return type(value)(map(_copied, value))
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return value


def _on(value: Any, device: torch.device) -> Any:
    """Return a copy of a value with its tensors on a device."""
    if isinstance(value, Tensor):
        return value.to(device, copy=True)
    if isinstance(value, list | tuple):
        return type(value)(_on(each, device) for each in value)
    if isinstance(value, dict):
        return {name: _on(each, device) for name, each in value.items()}
    return value


def _fits(now: Tensor, value: Tensor) -> bool:
    """Whether a value can be written into a tensor that is there."""
    if not (now.is_leaf and now.is_contiguous()):
        return False
    return now.shape == value.shape and now.dtype == value.dtype


def differing(one: State, other: State) -> list[str]:
    """Return the names of values that are not the same in both."""
    return sorted(name for name in one.keys() | other.keys() if not _equal(one.get(name), other.get(name)))


def _equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        same = one.shape == other.shape and one.dtype == other.dtype
        return same and torch.allclose(one, other.to(one.device), rtol=0, atol=0, equal_nan=one.is_floating_point())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    return bool(one == other)
