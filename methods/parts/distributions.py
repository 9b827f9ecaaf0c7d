"""Distributions: how a global density is divided among layers."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Self

Shape = Sequence[int]


class Shapes(tuple[Shape, ...]):
    """Weight shapes of the masked layers, in model order, and which of them is the model's first convolution.

    Where plain shapes are given instead, the first convolution among them is taken for the model's.

    Attributes:
        stem: Index of the model's first convolution; None if the model has none or it is not masked.
    """

    stem: int | None

    def __new__(cls, shapes: Iterable[Shape], stem: int | None = None) -> Self:
        """Take the shapes and the index of the model's first convolution among them."""
        made = super().__new__(cls, shapes)
        made.stem = stem
        return made


def first_convolution(shapes: Sequence[Shape]) -> int | None:
    """Return the index of the first convolution: a weight with spatial dimensions, be it one, two or three."""
    return next((i for i, shape in enumerate(shapes) if len(shape) >= 3), None)


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
        shapes: Weight shapes, (out, in) or (out, in, *kernel).
        density: Global density, in (0, 1].

    Returns:
        One density per layer; weighted by layer size they average to ``density``.
    """
    return _erdos_renyi(shapes, density, [sum(shape) / math.prod(shape) for shape in shapes])


def er(shapes: Sequence[Shape], density: float) -> list[float]:
    """Erdős–Rényi densities (SET, Mocanu et al. 2018): as `erk`, from the first two dimensions only."""
    return _erdos_renyi(shapes, density, [(shape[0] + shape[1]) / (shape[0] * shape[1]) for shape in shapes])


def uniform(shapes: Sequence[Shape], density: float) -> list[float]:
    """The model's first convolution dense, all other layers at one density so that the global density is exact.

    If the first convolution is not among the masked layers, all of them have the same density. RigL keeps the first
    layer dense and the rest at ``density``, and so ends slightly above it (by 0.0003 on ResNet-50); here budgets are
    identical, so the other layers pay for the first.

    Raises:
        ValueError: The first convolution alone holds more weights than ``density`` allows.
    """
    sizes = [math.prod(shape) for shape in shapes]
    first = shapes.stem if isinstance(shapes, Shapes) else first_convolution(shapes)
    if first is None or len(shapes) == 1:
        return [density] * len(shapes)
    rest = (density * sum(sizes) - sizes[first]) / (sum(sizes) - sizes[first])
    if rest <= 0:
        raise ValueError(
            f"uniform keeps the first convolution dense: its {sizes[first]:,} weights are more than a density of "
            f"{density:g} allows ({density * sum(sizes):,.0f}); use distribution erk or a lower sparsity"
        )
    return [1.0 if i == first else rest for i in range(len(shapes))]


def uniform_all(shapes: Sequence[Shape], density: float) -> list[float]:
    """One density for all layers, the first convolution included (SNFS, Dettmers & Zettlemoyer 2019)."""
    return [density] * len(shapes)


def balanced(shapes: Sequence[Shape], density: float) -> list[float]:
    """Equally many weights in every layer; layers with fewer are dense (Gadhikar et al. 2023, arXiv:2210.02412)."""
    sizes = [math.prod(shape) for shape in shapes]
    left, counts = density * sum(sizes), [0.0] * len(sizes)
    for place, layer in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        counts[layer] = min(left / (len(sizes) - place), sizes[layer])
        left -= counts[layer]
    return [count / size for count, size in zip(counts, sizes, strict=True)]


DISTRIBUTIONS: dict[str, Callable[[Sequence[Shape], float], list[float]]] = {
    "erk": erk,
    "er": er,
    "uniform": uniform,
    "uniform_all": uniform_all,
    "balanced": balanced,
}


def densities(distribution: str, shapes: Sequence[Shape], density: float) -> list[float]:
    """Divide a global density among layers.

    Args:
        distribution: A key of `DISTRIBUTIONS`, or the density of each layer by hand, in model order: ``0.01,0.109``.
        shapes: Weight shapes.
        density: Global density, which densities by hand have to average to.

    Raises:
        ValueError: Densities by hand are more or fewer than the layers.
    """
    if distribution in DISTRIBUTIONS:
        return DISTRIBUTIONS[distribution](shapes, density)
    given = by_hand(distribution)
    if density == 1:  # as dense networks are, from which a method may start
        return [1.0] * len(shapes)
    if given is None or len(given) != len(shapes):
        raise ValueError(
            f"method.distribution: {distribution[:80]!r} is not a density for each of {len(shapes)} layers"
        )
    return given


def by_hand(distribution: str) -> list[float] | None:
    """Return layer densities that are written out, ``0.01,0.109``; None for any other text."""
    try:
        found = [float(each) for each in distribution.split(",")]
    except ValueError:
        return None
    return found if all(0 <= each <= 1 for each in found) else None


def kept(density: float, maskable: int) -> int:
    """Number of weights that global pruning to ``density`` keeps: rounded down, as in the papers' code.

    A tolerance of 1e-6 absorbs float noise, so that a density of 0.3 keeps 30 of 100 weights.
    """
    return int(density * maskable + 1e-6)


def layer_counts(shapes: Sequence[Shape], densities: Sequence[float], density: float) -> list[int]:
    """Active weights of each layer: ``round(d_l n_l)``, with a total within one weight of the target.

    The rounding errors of many layers can add up to more than one weight. If they do, the layers closest to the next
    integer give or take one.

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


def checked_counts(shapes: Sequence[Shape], densities: Sequence[float], density: float, method: str) -> list[int]:
    """Return `layer_counts` of densities that a method has set, having made sure that they are what was asked for.

    Args:
        shapes: Weight shapes.
        densities: Layer densities.
        density: Global density.
        method: Whose they are, for the message.

    Raises:
        ValueError: They do not average to ``density``, to the weight, or one is not a density.
    """
    counts = layer_counts(shapes, densities, density)
    sizes = [math.prod(shape) for shape in shapes]
    for layer, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        if not 0 <= count <= size:
            raise ValueError(
                f"method {method!r}: the density of layer {layer}, {densities[layer]:.6g}, is not in [0, 1]"
            )
    if abs(sum(counts) - round(density * sum(sizes))) > 1:
        found = sum(d * n for d, n in zip(densities, sizes, strict=True)) / sum(sizes)
        raise ValueError(
            f"method {method!r}: its layer densities average to {found:.6g}, a sparsity of {1 - found:.6g}, and not "
            f"to {density:.6g}, the sparsity of {1 - density:.6g} that is asked for"
        )
    return counts


def exact_counts(
    shapes: Sequence[Shape], densities: Sequence[float], density: float, active: Sequence[int] | None = None
) -> list[int]:
    """Active weights of each layer with exactly the target's total, for pruning that can only remove weights.

    Rounding each layer by itself and then correcting the total could give a layer back a weight that is already
    pruned. So all sparse layers are rounded at one common scale, the one at which they add up (Webster's method): at
    uniform densities no layer's count ever grows when the density falls. For other distributions ``active`` makes sure.

    Args:
        shapes: Weight shapes.
        densities: Layer densities, averaging to ``density``.
        density: Global density.
        active: Active weights of each layer so far, which none of them may exceed; None for dense layers.
    """
    sizes = [math.prod(shape) for shape in shapes]
    most = sizes if active is None else active
    counts = [min(math.floor(d * n + 0.5), m) for d, n, m in zip(densities, sizes, most, strict=True)]
    sparse = [layer for layer, d in enumerate(densities) if d < 1]
    missing = round(density * sum(sizes)) - sum(counts)
    densest = max((densities[layer] for layer in sparse), default=1.0)

    def scale(layer: int, rounded_at: float) -> float:
        """The common scale at which a layer has so many weights; equal for equal layers, without float noise."""
        return rounded_at / (sizes[layer] * (densities[layer] / densest))

    # Of layers that are rounded at the same scale, the first have the larger count.
    for _ in range(missing):
        growing = [layer for layer in sparse if counts[layer] < most[layer]]
        counts[min(growing, key=lambda layer: (scale(layer, counts[layer] + 0.5), layer))] += 1
    for _ in range(-missing):
        shrinking = [layer for layer in sparse if counts[layer] > 0]
        counts[max(shrinking, key=lambda layer: (scale(layer, counts[layer] - 0.5), layer))] -= 1
    return counts
