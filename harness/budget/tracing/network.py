"""A network made ready to be traced: a copy with tensors of its own, run by operators whose parts are seen."""

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness import generators
from harness.errors import UsageError, first_line


def require_ordinary(model: nn.Module) -> None:
    """Raise a `UsageError` if a network has no parameters, or one without a shape."""
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise UsageError(f"{name} of {type(model).__name__} has no shape yet (a lazy module): give it its sizes")
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
    """Keep torch from fusing a whole layer into one operator, which costs the same but hides its parts."""
    fast, onednn = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch._C._set_mkldnn_enabled(onednn)


@contextmanager
def drawing(seed: int) -> Iterator[Callable[[], bool]]:
    """Seed the generators of the host inside, and yield what tells whether one was drawn from."""
    with generators.seeded(seed):
        start = _states()
        yield lambda: _states() != start


def _states() -> tuple[Any, ...]:
    _, keys, *place = np.random.get_state(legacy=True)
    return random.getstate(), np.asarray(keys).tobytes(), place, torch.get_rng_state().numpy().tobytes()
