"""What a model costs: dense costs of its layers, and from them the FLOPs of a sample at any densities."""

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
        uses: How often each weight is used for one sample in evaluation mode, so that the layer takes
            ``weights * uses`` multiply-accumulates: an integer, which keeps the whole ledger exact.
        train_uses: The same in training mode; None where it is equal, as in most networks.
        by_output: Whether the weight's first dimension is known to be that of the outputs, as in linear layers and
            convolutions; not in transposed convolutions, nor in matrices applied as ``x @ weight``.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    uses: int
    train_uses: int | None = None
    by_output: bool = True

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates for one sample in evaluation mode."""
        return self.weights * self.uses

    @property
    def trained_uses(self) -> int:
        """How often each weight is used for one sample in training mode."""
        return self.uses if self.train_uses is None else self.train_uses

    def described(self) -> dict[str, Any]:
        """Return what a record says of the layer."""
        plain = {"name": self.name, "shape": list(self.shape), "weights": self.weights, "uses": self.uses}
        return plain if self.train_uses is None else {**plain, "train_uses": self.train_uses}


@dataclass(frozen=True)
class Costs:
    """Dense costs of a model for one sample.

    Attributes:
        layers: The masked layers, in model order.
        fixed: FLOPs of products that no mask touches: attention, layers kept dense; in evaluation mode.
        stem: Index of the model's first convolution among the masked layers; None if it has none or keeps it dense.
        train_fixed: As ``fixed``, in training mode; None where it is equal.
        host_random: Whether a training pass draws from a generator on the host, which a recorded step would freeze.
        notes: What a user should know of how they were measured, a line each.
        classes: How many classes the labels of its data have; None if they have none, or that is not known.
    """

    layers: tuple[LayerCost, ...]
    fixed: int
    stem: int | None = None
    train_fixed: int | None = None
    host_random: bool = False
    notes: tuple[str, ...] = ()
    classes: int | None = None

    @property
    def shapes(self) -> Shapes:
        """Shapes of the masked weights, as distributions take them."""
        return Shapes((layer.shape for layer in self.layers), self.stem)

    @cached_property
    def dense(self) -> int:
        """Forward FLOPs of the dense model in evaluation mode, two for each multiply-accumulate."""
        return self.forward([layer.weights for layer in self.layers])

    @cached_property
    def _dense_training(self) -> int:
        return self._forward_training([layer.weights for layer in self.layers])

    def forward(self, active: Sequence[int]) -> int:
        """Return the FLOPs of one sample in a forward pass with ``active[l]`` weights in each layer."""
        return 2 * sum(layer.uses * count for layer, count in zip(self.layers, active, strict=True)) + self.fixed

    def training(
        self, active: Sequence[int], *, gradient: Sequence[int] | None = None, dense_gradient: bool = False
    ) -> int:
        """Return the FLOPs of one training sample: forward, input gradient and weight gradient, a pass each.

        Args:
            active: Active weights of each layer during the iteration.
            gradient: Weights of each layer whose gradient is computed; None for the active ones.
            dense_gradient: Whether the weight gradient is computed for all weights, whatever ``gradient`` says.
        """
        sparse = self._forward_training(active)
        if dense_gradient:
            return 2 * sparse + self._dense_training
        return 2 * sparse + (sparse if gradient is None else self._forward_training(gradient))

    def as_reference(self) -> dict[str, int]:
        """Return what the record of a narrower model keeps of this one, which its sparsity and costs refer to.

        Returns:
            ``maskable`` weights; ``forward_flops`` of one sample; ``training_flops`` of one training sample.
        """
        every = [layer.weights for layer in self.layers]
        return {"maskable": sum(every), "forward_flops": self.dense, "training_flops": self.training(every)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Costs":
        """Return the costs that ``dataclasses.asdict`` made this of, whatever JSON made of its tuples."""
        layers = (LayerCost(**{**layer, "shape": tuple(layer["shape"])}) for layer in fields["layers"])
        return cls(**{**fields, "layers": tuple(layers), "notes": tuple(fields["notes"])})

    def described(self, train_samples: int) -> dict[str, Any]:
        """Return what a record adds to its config so that anyone can recompute the ledger."""
        fixed = {"fixed_flops": self.fixed}
        if self.train_fixed is not None:
            fixed["train_fixed_flops"] = self.train_fixed
        return {"layers": [layer.described() for layer in self.layers], **fixed, "train_samples": train_samples}

    def _forward_training(self, active: Sequence[int]) -> int:
        fixed = self.fixed if self.train_fixed is None else self.train_fixed
        return 2 * sum(layer.trained_uses * count for layer, count in zip(self.layers, active, strict=True)) + fixed
