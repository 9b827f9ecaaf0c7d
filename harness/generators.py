"""The global random generators: Python's, NumPy's, torch's on the CPU and on every CUDA device.

The harness draws from generators of its own. A model or a method may draw from a global one, as dropout does; these are
seeded for each run and kept in its checkpoints, so that a result is a function of the run's key. What takes its seed
from the operating system (``numpy.random.default_rng()``, ``random.SystemRandom``, ``os.urandom``) stays out of reach.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

State = dict[str, Any]
"""Tensors and plain values, so that a checkpoint that holds them can be loaded without running code."""


def seed(number: int) -> None:
    """Seed every generator.

    Args:
        number: 63 bits, as `harness.seeds.derive` returns them.
    """
    torch.manual_seed(number)  # those of CUDA devices too
    _seed_python(number)


def state_dict(device: str) -> State:
    """Return the states of the generators that a run on this type of device may draw from."""
    states = {**_python_state(), "torch": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state()} if device == "cuda" else {})


def load_state_dict(states: State) -> None:
    """Restore what `state_dict` returned.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: It is something else.
    """
    _restore_python(states)
    torch.set_rng_state(states["torch"].cpu())
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu())


@contextmanager
def seeded(number: int) -> Iterator[None]:
    """Seed the generators of the CPU, and leave them afterwards as they were; those of CUDA devices are not touched."""
    before = _python_state()
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: it would reseed every CUDA device too, and only the CPU is restored here.
        torch.default_generator.manual_seed(number)
        _seed_python(number)
        try:
            yield
        finally:
            _restore_python(before)


def _seed_python(number: int) -> None:
    random.seed(number)
    np.random.seed([number & 0xFFFFFFFF, number >> 32])


def _python_state() -> State:
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    numbers = {"keys": torch.from_numpy(np.asarray(keys).astype(np.int64)), "position": int(position)}
    return {"python": random.getstate(), "numpy": {**numbers, "has_gauss": int(has_gauss), "gauss": float(gauss)}}


def _restore_python(states: State) -> None:
    random.setstate(states["python"])
    numbers = states["numpy"]
    keys = numbers["keys"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, numbers["position"], numbers["has_gauss"], numbers["gauss"]))
