"""Dense nets that cost as much as a sparse one: what sparsity has to beat.

They have no masks. What makes them small or short is worked out before training from the ledger
(`harness.plan.comparison`): the width of the model, or the share of the budget that the run may spend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from methods.base import Look, Method
from methods.parts.distributions import Shape, densities, layer_counts
from methods.registry import register

_GREY = "#8a8a8a"
EQUAL = ("weights", "flops")


@dataclass
class DenseComparison(Method):
    """A dense net in the place of a sparse one; the requested sparsity is that of the sparse net."""

    family: ClassVar[str] = "baseline"
    exact: ClassVar[bool] = False

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("distribution", "interval")

    def initial_density(self, target: float) -> float:
        """Dense."""
        return 1.0

    def layer_densities(self, shapes: Sequence[Shape], density: float) -> list[float]:
        """Densities of the layers: 1, whatever the density of the sparse net."""
        return [1.0] * len(shapes)

    def layer_counts(self, shapes: Sequence[Shape], density: float, active: Sequence[int] | None = None) -> list[int]:
        """Active weights of the layers: all of them."""
        return [prod(shape) for shape in shapes]


@register("small_dense")
@dataclass
class SmallDense(DenseComparison):
    """The same architecture, narrower, trained densely (the "small dense" rows of Evci et al. 2020).

    Every number of channels is multiplied by one width, the largest with which the net has no more than the sparse one.
    The budget is that of the sparse net: as many epochs, or multiples of the full dense run's FLOPs.

    Attributes:
        equal: What the two have in common: ``weights``, or ``flops`` of classifying an image.
        distribution: How the sparse net's weights are divided among its layers, which decides on its FLOPs.
    """

    summary: ClassVar[str] = "The same net, narrower: dense, with the sparse net's number of weights."
    paper: ClassVar[str] = "Evci et al. 2020, arXiv:1911.11134"
    look: ClassVar[Look | None] = Look(_GREY, "hourglass", dash=(8, 2))

    equal: str = "weights"

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        if self.equal not in EQUAL:
            raise ValueError(f"method.equal: {self.equal[:80]!r} is not one of {', '.join(EQUAL)}")

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("interval",)

    def sparse_counts(self, shapes: Sequence[Shape], target: float) -> list[int]:
        """Active weights of the layers of the sparse net, at full width.

        Args:
            shapes: Weight shapes at full width.
            target: Density of the sparse net.
        """
        return layer_counts(shapes, densities(self.distribution, shapes, target), target)


@register("short_dense")
@dataclass
class ShortDense(DenseComparison):
    """The full dense net, trained for no more FLOPs than a sparse run; its schedule shrinks to fit.

    Attributes:
        like: Name of the method whose training FLOPs at the requested sparsity it may spend.
    """

    summary: ClassVar[str] = "The full net, dense, stopped at the training FLOPs of a sparse run."
    paper: ClassVar[str] = "Blalock et al. 2020, arXiv:2003.03033"
    look: ClassVar[Look | None] = Look(_GREY, "hourglass", filled=False, dash=(2, 6))

    like: str = "static"
