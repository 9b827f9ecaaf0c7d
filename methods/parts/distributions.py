"""Distributions: how a global density is divided among layers."""

import math
from collections.abc import Callable, Sequence

Shape = Sequence[int]


def _erdos_renyi(shapes: Sequence[Shape], density: float, raw: Sequence[float]) -> list[float]:
    """Scale ``raw`` so that the global density is ``density``, making layers dense that would exceed 1."""
    if density == 1:
        return [1.0] * len(shapes)
    sizes = [math.prod(shape) for shape in shapes]
    dense: set[int] = set()
    while len(dense) < len(shapes):
        sparse = [i for i in range(len(shapes)) if i not in dense]
        budget = sum(density * sizes[i] for i in sparse) - sum((1 - density) * sizes[i] for i in dense)
        epsilon = budget / sum(raw[i] * sizes[i] for i in sparse)
        largest = max(raw[i] for i in sparse)
        if largest * epsilon <= 1:
            return [1.0 if i in dense else epsilon * raw[i] for i in range(len(shapes))]
        # All layers tied at the maximum go together: taking one at a time would make the result depend on order.
        dense.update(i for i in sparse if raw[i] == largest)
    return [1.0] * len(shapes)


def erk(shapes: Sequence[Shape], density: float) -> list[float]:
    """Erdős–Rényi-Kernel densities (RigL, Evci et al. 2020, section 3; METHODS.md).

    A layer's density is proportional to ``sum(shape) / prod(shape)`` over all its dimensions.

    Args:
        shapes: Weight shapes, (out, in) or (out, in, height, width).
        density: Global density, in (0, 1].

    Returns:
        One density a layer; weighted by layer size they average to ``density``.
    """
    return _erdos_renyi(shapes, density, [sum(shape) / math.prod(shape) for shape in shapes])


def er(shapes: Sequence[Shape], density: float) -> list[float]:
    """Erdős–Rényi densities (SET, Mocanu et al. 2018): as `erk`, from the first two dimensions alone."""
    return _erdos_renyi(shapes, density, [(shape[0] + shape[1]) / (shape[0] * shape[1]) for shape in shapes])


def uniform(shapes: Sequence[Shape], density: float) -> list[float]:
    """First convolution dense, all other layers at one density solved so that the global density is exact.

    RigL keeps the first layer dense and the rest at ``density``, and so ends slightly above it (by 0.0003 on
    ResNet-50); here budgets are identical, so the rest pays for the first layer.

    Raises:
        ValueError: The first convolution alone holds more weights than ``density`` allows.
    """
    sizes = [math.prod(shape) for shape in shapes]
    first = next((i for i, shape in enumerate(shapes) if len(shape) == 4), None)
    if first is None or len(shapes) == 1:
        return [density] * len(shapes)
    rest = (density * sum(sizes) - sizes[first]) / (sum(sizes) - sizes[first])
    if rest <= 0:
        raise ValueError(
            f"uniform keeps the first convolution dense: its {sizes[first]:,} weights are more than a density of "
            f"{density:g} allows ({density * sum(sizes):,.0f}); use distribution erk or a lower sparsity"
        )
    return [1.0 if i == first else rest for i in range(len(shapes))]


DISTRIBUTIONS: dict[str, Callable[[Sequence[Shape], float], list[float]]] = {
    "erk": erk,
    "er": er,
    "uniform": uniform,
}


def kept(density: float, maskable: int) -> int:
    """Number of weights that global pruning to ``density`` keeps: rounded down, as in the papers' code.

    A tolerance of 1e-6 absorbs float noise, so that a density of 0.3 keeps 30 of 100 weights.
    """
    return int(density * maskable + 1e-6)


def layer_counts(shapes: Sequence[Shape], densities: Sequence[float], density: float) -> list[int]:
    """Active weights of each layer: ``round(d_l n_l)``, and the total exact to one weight.

    The rounding errors of many layers can add up to more than one weight. Where they do, the layers closest to
    the next integer give or take one.

    Args:
        shapes: Weight shapes.
        densities: Layer densities, averaging to ``density``.
        density: Global density.
    """
    sizes = [math.prod(shape) for shape in shapes]
    exact = [d * n for d, n in zip(densities, sizes, strict=True)]
    counts = [round(value) for value in exact]
    missing = round(density * sum(sizes)) - sum(counts)
    sign = 1 if missing > 0 else -1
    for layer in sorted(range(len(sizes)), key=lambda i: sign * (counts[i] - exact[i])):
        if abs(missing) <= 1:
            break
        if 0 <= counts[layer] + sign <= sizes[layer]:
            counts[layer] += sign
            missing -= sign
    return counts
