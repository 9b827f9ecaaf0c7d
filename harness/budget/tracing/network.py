"""A network made ready to be traced: a copy with tensors of its own, run by operators whose parts are seen."""

import copy
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness import generators
from harness.errors import UsageError, first_line


def require_ordinary(model: nn.Module) -> None:
    """Raise a `UsageError` if a network cannot be traced as it is.

    It is scripted, has no parameters, one without a shape, one of complex numbers, or two in one memory.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise UsageError(
            f"{type(model).__name__} is or holds a scripted module, which cannot be followed: leave it plain"
        )
    taken: dict[int, list[tuple[int, int, str]]] = {}
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise UsageError(f"{name} of {type(model).__name__} has no shape yet (a lazy module): give it its sizes")
        if parameter.is_complex():
            raise UsageError(
                f"{name} of {type(model).__name__} holds complex numbers ({parameter.dtype}), whose products cost "
                f"several of real ones: allowed are real weights, such as one each for real and imaginary parts"
            )
        start = int(parameter.storage_offset())
        stop = start + parameter.numel()
        for first, last, other in taken.setdefault(parameter.untyped_storage()._cdata, []):
            if start < last and first < stop:
                raise UsageError(
                    f"{other} and {name} of {type(model).__name__} share memory without being one parameter: tie them "
                    f"by assigning the parameter itself"
                )
        taken[parameter.untyped_storage()._cdata].append((start, stop, name))
    if not any(True for _ in model.parameters()):
        raise UsageError(f"{type(model).__name__} has no parameters")


def counterpart(model: nn.Module, device: str) -> nn.Module:
    """Copy a network: its structure and Python state, with tensors of the same shapes on a device.

    Tied parameters stay tied. Parameters are contiguous, so that their elements can be told by offset.

    Raises:
        UsageError: It holds something that cannot be copied.
    """
    return _copied(model, lambda tensor: _twin(tensor, device))


def snapshot(model: nn.Module) -> nn.Module:
    """Copy a network's structure and Python state, such as a generator of its own; the tensors stay the same ones."""
    return _copied(model, lambda tensor: tensor)


def _copied(model: nn.Module, made_of: Callable[[Tensor], Tensor]) -> nn.Module:
    memo: dict[int, Any] = {}
    for module in model.modules():
        for value in (*module._parameters.values(), *module._buffers.values(), *vars(module).values()):
            if isinstance(value, Tensor) and id(value) not in memo:
                memo[id(value)] = made_of(value)
    try:
        return copy.deepcopy(model, memo)
    except (TypeError, RuntimeError) as error:
        raise UsageError(f"{type(model).__name__} cannot be copied: {first_line(error)}") from error


def _twin(tensor: Tensor, device: str) -> Tensor:
    made = tensor.detach().to(device, copy=True, memory_format=torch.contiguous_format)
    return nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else made


@contextmanager
def plain_operators() -> Iterator[None]:
    """Keep torch from fusing what costs the same but hides its parts: a layer, or all that it would compile."""
    fast, onednn = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._set_mkldnn_enabled(False)
    # Importing the compiler takes seconds; nothing is compiled where nobody did.
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    try:
        with eager:
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch._C._set_mkldnn_enabled(onednn)


@contextmanager
def drawing(seed: int) -> Iterator[Callable[[], bool]]:
    """Seed all generators inside, and yield what tells whether Python's or NumPy's was drawn from.

    Dropout draws from torch's; a network that decides by what that gives has to ask for a value.
    """
    with generators.seeded(seed):
        start = _states()
        yield lambda: _states() != start


def _states() -> tuple[Any, ...]:
    _, keys, *place = np.random.get_state(legacy=True)
    return random.getstate(), np.asarray(keys).tobytes(), place


def reached_by_gradients(result: Tensor) -> set[int] | None:
    """Return the storages of the leaves that a gradient of a result reaches; None where torch does not tell.

    A reentrant checkpoint hides what it holds.
    """
    found, waiting, seen = set(), [result.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if "CheckpointFunction" in type(node).__name__:
            return None
        if (leaf := getattr(node, "variable", None)) is not None:
            found.add(leaf.untyped_storage()._cdata)
        waiting.extend(following for following, _ in node.next_functions)
    return found
