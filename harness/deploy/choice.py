"""The fastest format of one layer, measured on what the layer gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from harness.deploy.formats import CHANNELS_LAST, FORMATS, UnsuitedError
from harness.deploy.layers import Forward, Layer
from harness.deploy.timing import in_turns, ratio
from harness.errors import first_line
from harness.records.deployment_schema import DENSE


@dataclass(frozen=True)
class Choice:
    """What was measured of a layer at one batch size.

    Attributes:
        name: The fastest format, ``dense`` if no other is shown to be faster.
        forward: The layer's forward pass in that format; None for dense.
        dense_seconds: Of the dense layer, the median.
        speedups: Of each other format that computes what dense does, times as fast as dense.
        refused: Why each of the rest was not measured.
    """

    name: str
    forward: Forward | None
    dense_seconds: float
    speedups: Mapping[str, float] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def described(self, batch: int) -> dict[str, Any]:
        """Return it as a deployment holds it."""
        measured = [{"name": name, "speedup": speedup, "refused": None} for name, speedup in self.speedups.items()]
        refused = [{"name": name, "speedup": None, "refused": why} for name, why in self.refused.items()]
        formats = measured + refused
        return {"batch": batch, "chosen": self.name, "dense_seconds": self.dense_seconds, "formats": formats}


def choose(layer: Layer, given: Tensor, repeats: int, tolerance: float) -> Choice:
    """Measure a layer in each format that computes what dense does, and choose the fastest.

    A format is chosen if the whole 95 % interval of its speed-up is above 1.

    Args:
        layer: The layer; its own forward pass is the dense one.
        given: Its input.
        repeats: Samples of each format.
        tolerance: How far an output may be from dense, relative to the largest.
    """
    dense = layer.module.forward
    expected = dense(given)
    forwards: dict[str, Forward] = {}
    refused: dict[str, str] = {}
    for name, make in FORMATS.items():
        try:
            last = name in CHANNELS_LAST
            forward = layer.using(make(layer.matrix(last)), last)
            error = difference(forward(given), expected)
        except UnsuitedError as unsuited:
            refused[name] = str(unsuited)
        except (RuntimeError, MemoryError) as failure:  # NotImplementedError is a RuntimeError
            refused[name] = f"torch cannot compute it here: {first_line(failure)}"
        else:
            if error <= tolerance:
                forwards[name] = forward
            else:
                refused[name] = f"differs from dense by {error:.2g} of the largest output, more than {tolerance:g}"
    ways = {DENSE: dense, **forwards}
    timed = in_turns({name: _bound(way, given) for name, way in ways.items()}, repeats, given.device)
    ratios = {name: ratio(timed[DENSE], timed[name]) for name in forwards}
    faster = [name for name, (_, low, _) in ratios.items() if low is not None and low > 1]
    best = max(faster, key=lambda name: ratios[name][0], default=DENSE)
    speedups = {name: middle for name, (middle, _, _) in ratios.items()}
    return Choice(best, forwards.get(best), timed[DENSE].median, speedups, refused)


def difference(ours: Tensor, expected: Tensor) -> float:
    """Return the largest difference of two outputs, relative to the largest expected one; NaN if one holds NaN.

    Raises:
        RuntimeError: They do not have the same shape.
    """
    if ours.shape != expected.shape:
        raise RuntimeError(f"an output of shape {list(ours.shape)} instead of {list(expected.shape)}")
    largest = expected.abs().max()
    apart = (ours - expected).abs().max()
    return float(apart / largest) if largest > 0 else float(torch.where(apart > 0, torch.inf, apart))


def _bound(forward: Forward, given: Tensor) -> Any:
    return lambda: forward(given)
