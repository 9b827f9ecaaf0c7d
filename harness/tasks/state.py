"""What a task remembers: the values of its attributes, which no checkpoint holds and nothing may change."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch

from harness.tasks.base import Task

_PLAIN = (type(None), bool, int, float, complex, str, bytes, range)
_CODE = (type, BuiltinFunctionType, ModuleType, classmethod, staticmethod, property)


def attributes(task: Task) -> dict[str, str]:
    """Return a digest of the value of each attribute of a task, and of those of a plug-in's class.

    Tensors and arrays count by their values, wherever they are; other objects by what they are made of.
    """
    found = {f"self.{name}": value for name, value in vars(task).items()}
    for cls in type(task).__mro__[: type(task).__mro__.index(Task)]:
        mine = {f"{cls.__name__}.{name}": value for name, value in vars(cls).items() if not name.startswith("__")}
        found |= {name: value for name, value in mine.items() if not isinstance(value, FunctionType)}
    return {name: _digest(value, {id(task): (0, task)}) for name, value in found.items()}


def changed(before: Mapping[str, str], task: Task) -> list[str]:
    """Return the names of the attributes that are not what they were."""
    now = attributes(task)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _digest(value: Any, seen: dict[int, tuple[int, Any]]) -> str:
    digest = hashlib.sha256()
    _feed(value, digest.update, seen)
    return digest.hexdigest()


def _feed(value: Any, add: Callable[[bytes], None], seen: dict[int, tuple[int, Any]]) -> None:
    """Feed a value to a digest.

    Args:
        value: Of any kind.
        add: Takes bytes.
        seen: What was fed before, by identity, with its number; holding it keeps its identity from being used anew.
    """
    add(f"<{type(value).__module__}.{type(value).__qualname__}>".encode())
    if isinstance(value, _PLAIN):
        add(repr(value).encode(errors="backslashreplace"))
        return
    if id(value) in seen:
        add(str(seen[id(value)][0]).encode())
        return
    seen[id(value)] = (len(seen), value)
    if isinstance(value, torch.Tensor):
        plain = value.detach().to_dense() if value.layout != torch.strided else value.detach()
        add(f"{plain.dtype}{list(plain.shape)}".encode())
        add(plain.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        add(f"{value.dtype}{value.shape}".encode())
        add(value.tobytes())
    elif isinstance(value, torch.Generator):
        _feed(value.get_state(), add, seen)
    elif isinstance(value, _CODE):
        add(str(getattr(value, "__qualname__", getattr(value, "__name__", ""))).encode())
    else:
        for part in _parts(value):
            add(_digest(part, seen).encode())


def _parts(value: Any) -> list[Any]:
    """Return what an object is made of."""
    if type(value) in (list, tuple):
        return list(value)
    if type(value) is dict:
        return [part for item in value.items() for part in item]
    if type(value) in (set, frozenset):
        return sorted(_digest(each, {}) for each in value)
    if isinstance(value, MethodType | FunctionType | GeneratorType):
        return _parts_of_code(value)
    try:
        made, given, *rest = value.__reduce_ex__(4)
        rest = [list(part) if hasattr(part, "__next__") else part for part in rest]
    except Exception:  # as of an open file, or of a stranger's object that cannot be copied
        return [getattr(value, "__dict__", None)]
    return [getattr(made, "__qualname__", ""), given, *rest]


def _parts_of_code(value: MethodType | FunctionType | GeneratorType) -> list[Any]:
    """Return what a method, a function or a generator remembers."""
    if isinstance(value, MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, GeneratorType):
        frame = value.gi_frame
        return [] if frame is None else [frame.f_lasti, dict(frame.f_locals)]
    closed = inspect.getclosurevars(value).nonlocals
    return [value.__qualname__, dict(closed), value.__defaults__, value.__kwdefaults__, vars(value)]
