"""What a record promises of the final weights: how many of them are active, and in which pattern (RULES.md, 6)."""

from collections.abc import Sequence
from typing import Any

from harness.audit import recount
from harness.records import Record
from methods.parts.patterns import Pattern

Layers = Sequence[dict[str, Any]]


def refusals(record: Record, layers: Layers, active: Sequence[int]) -> list[str]:
    """Return how the final counts differ from what a record promises.

    The target to within one weight; within half of the widest layer's neurons, and 1 % of the target, where all neurons
    of a layer have the same fan-in. Under a pattern N:M exactly N of each group of M in every layer whose input
    dimension M divides, and all weights of the others. Any number but 0 under ``config.reaches``, where sparsity is a
    result.

    Args:
        record: A record that keeps its schema.
        layers: The masked layers, as its config should describe them.
        active: Active weights of each layer at the end.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
        UsageError: See `harness.audit.recount.reference`.
    """
    config, pattern = record["config"], record["config"].get("pattern")
    if config.get("reaches") is True:
        return [] if any(active) else ["active: no weight is left at the end"]
    if pattern and pattern["kind"] == "n:m":
        return _groups(record["sparsity"], pattern["n"], pattern["m"], layers, active)
    full = recount.reference({**config, "layers": layers})
    maskable = full["maskable"] if full else sum(layer["weights"] for layer in layers)
    target = round((1 - record["sparsity"]) * maskable)
    slack = Pattern("fan_in").tolerance([layer["shape"] for layer in layers], target) if pattern else 1
    if abs(sum(active) - target) > slack:
        return [f"active: {sum(active)} of {maskable} weights at the end, the target is {target}"]
    return []


def _groups(sparsity: float, n: int, m: int, layers: Layers, active: Sequence[int]) -> list[str]:
    name = f"{n}:{m}"
    if not 0 < n < m:
        return [f"pattern: {name} keeps no share of the weights"]
    if abs(1 - n / m - sparsity) > 1e-6:
        return [f"pattern: {name} is not sparsity {sparsity}"]
    try:
        kept = Pattern("n:m", n, m).counts([layer["shape"] for layer in layers])
    except ValueError:
        return [f"pattern: {m} divides the input dimension of no layer, so that {name} holds for none"]
    assert kept is not None  # n:m fixes them
    for layer, promised, count in zip(layers, kept, active, strict=True):
        if count != promised:
            return [f"active: {count} weights in {layer['name']} at the end, {name} keeps {promised}"]
    return []
