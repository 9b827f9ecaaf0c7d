"""What a model costs: dense costs of its layers, and from them the FLOPs of an image at any densities."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from methods.parts.distributions import Shapes


@dataclass(frozen=True)
class LayerCost:
    """Dense cost of one masked layer.

    Attributes:
        name: Name of its weight among the model's parameters.
        shape: Shape of that weight.
        weights: Number of weights.
        uses: How often each weight is used for one image, so that the layer takes ``weights * uses``
            multiply-accumulates: an integer, which keeps the whole ledger exact.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    uses: int

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates for one image."""
        return self.weights * self.uses


@dataclass(frozen=True)
class Costs:
    """Dense costs of a model for one image.

    Attributes:
        layers: The masked layers, in model order.
        fixed: FLOPs of products that no mask touches: attention, layers kept dense.
        stem: Index of the model's first convolution among the masked layers; None if it has none or keeps it dense.
    """

    layers: tuple[LayerCost, ...]
    fixed: int
    stem: int | None = None

    @property
    def shapes(self) -> Shapes:
        """Shapes of the masked weights, as distributions take them."""
        return Shapes((layer.shape for layer in self.layers), self.stem)

    @cached_property
    def dense(self) -> int:
        """Forward FLOPs of the dense model, two for each multiply-accumulate."""
        return self.forward([layer.weights for layer in self.layers])

    def forward(self, active: Sequence[int]) -> int:
        """Return the forward FLOPs of one image with ``active[l]`` weights in each layer."""
        return 2 * sum(layer.uses * count for layer, count in zip(self.layers, active, strict=True)) + self.fixed

    def training(self, active: Sequence[int], *, dense_gradient: bool = False) -> int:
        """Return the FLOPs of one training image: forward, input gradient and weight gradient, a pass each.

        Args:
            active: Active weights of each layer during the iteration.
            dense_gradient: Whether the weight gradient is computed for inactive weights too.
        """
        sparse = self.forward(active)
        return 2 * sparse + (self.dense if dense_gradient else sparse)

    def described(self, train_samples: int) -> dict[str, Any]:
        """Return what a record adds to its config so that anyone can recompute the ledger."""
        return {
            "layers": [
                {"name": layer.name, "shape": list(layer.shape), "weights": layer.weights, "uses": layer.uses}
                for layer in self.layers
            ],
            "fixed_flops": self.fixed,
            "train_samples": train_samples,
        }
