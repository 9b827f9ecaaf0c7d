"""The weights whose gradient a method has every step compute, as the ledger charges them."""

import math
from collections.abc import Sequence

from methods import Method
from methods.parts.distributions import Shape


def gradient_counts(
    method: Method,
    shapes: Sequence[Shape],
    active: Sequence[int],
    target: float,
    *,
    names: Sequence[str],
    trained: Sequence[int] | None = None,
) -> list[int] | None:
    """Ask a method for its `methods.Method.gradient_counts` and check them.

    Args:
        method: The method.
        shapes: Weight shapes.
        active: Active weights of each layer.
        target: Density at the end.
        names: Layer names, for an error.
        trained: Weights of each layer that steps update; None for the active ones.

    Returns:
        Weights of each layer; None if the method declares none.

    Raises:
        ValueError: They are not a whole number for each layer, fewer than those of the trained weights, or more than
            there are weights.
    """
    declared = method.gradient_counts(shapes, list(active), target)
    if declared is None:
        return None
    counts = declared if isinstance(declared, list | tuple) else []
    if len(counts) != len(names) or not all(type(count) is int for count in counts):
        shown = " ".join(repr(declared).split())[:80]
        raise ValueError(f"gradient_counts: {shown} is not a whole number for each of {len(names)} layers")
    require_counts(counts, active if trained is None else trained, shapes, names)
    return list(counts)


def require_counts(
    counts: Sequence[int], trained: Sequence[int], shapes: Sequence[Shape], names: Sequence[str]
) -> None:
    """Require gradients of all trained weights, and of no more than there are.

    Raises:
        ValueError: A layer has others; the message names it.
    """
    for name, least, count, shape in zip(names, trained, counts, shapes, strict=True):
        size = math.prod(shape)
        if not least <= count <= size:
            raise ValueError(f"gradient_counts: {count} of {name}, which has {size} weights and trains {least}")
