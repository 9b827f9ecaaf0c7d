"""The FLOP ledger: what training costs, measured layer by layer and charged at the densities of the moment."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from harness.errors import UsageError

#: Operators fvcore has no handle for and that are not products: element-wise, normalising, moving, pooling.
FREE_OPERATORS = frozenset(
    f"aten::{name}"
    for name in (
        "abs add add_ adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d avg_pool1d avg_pool2d batch_norm "
        "bernoulli_ cat chunk clamp clamp_ clone constant_pad_nd contiguous detach div div_ dropout dropout_ elu "
        "elu_ embedding erf exp expand expand_as feature_dropout flatten gelu gelu_ group_norm hardsigmoid hardswish "
        "hardswish_ hardtanh hardtanh_ index_select instance_norm layer_norm leaky_relu leaky_relu_ log_softmax "
        "max_pool1d max_pool2d mean mish mul mul_ narrow neg pad permute pow prelu relu relu6 relu6_ relu_ repeat "
        "reshape rsqrt rsub select sigmoid sigmoid_ silu silu_ slice softmax softplus split split_with_sizes sqrt "
        "squeeze stack sub sub_ sum tanh tanh_ to transpose unbind unflatten unsqueeze upsample_bilinear2d "
        "upsample_nearest2d view view_as where zeros_like ones_like"
    ).split()
)
PRODUCTS = frozenset(("conv", "linear", "matmul", "bmm", "addmm", "baddbmm", "einsum"))


@dataclass(frozen=True)
class LayerCost:
    """Dense cost of one masked layer.

    Attributes:
        name: Of its weight, as in the model's parameters.
        shape: Of its weight.
        weights: Number of its weights.
        uses: Positions at which each weight is used for one image, so that the layer takes ``weights * uses``
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
        fixed: FLOPs of products that no mask touches (attention, layers named dense).
    """

    layers: tuple[LayerCost, ...]
    fixed: int

    @property
    def dense(self) -> int:
        """Forward FLOPs of the dense model: two per multiply-accumulate."""
        return self.forward([layer.weights for layer in self.layers])

    def forward(self, active: Sequence[int]) -> int:
        """Forward FLOPs for one image with ``active[l]`` weights in each layer."""
        return 2 * sum(layer.uses * count for layer, count in zip(self.layers, active, strict=True)) + self.fixed

    def training(self, active: Sequence[int], *, dense_gradient: bool = False) -> int:
        """FLOPs of one training image: forward, input gradient, weight gradient (METHODS.md, "Cost accounting").

        Args:
            active: Active weights of each layer during the iteration.
            dense_gradient: Whether the weight gradient is computed for inactive weights too.
        """
        sparse = self.forward(active)
        return 2 * sparse + (self.dense if dense_gradient else sparse)


def measure(model: nn.Module, masked: Sequence[str], shape: Sequence[int]) -> Costs:
    """Count a model's products for one image with fvcore.

    Only convolution, linear and attention products count. fvcore's own total would mix operations of normalisation
    with multiply-accumulates.

    Args:
        model: An eager module (fvcore traces it); its mode is restored.
        masked: Names of the masked weights, in model order.
        shape: One image, (channels, height, width).

    Raises:
        UsageError: The model uses an operator whose cost is not known; the message names it.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    analysis = FlopCountAnalysis(model, torch.zeros(1, *shape, device=device))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    by_module = analysis.by_module_and_operator()
    unknown = sorted(set(analysis.unsupported_ops()) - FREE_OPERATORS)
    model.train(training)
    if unknown:
        raise UsageError(
            f"{type(model).__name__} uses operators of unknown cost: {', '.join(unknown)}; give each a count in "
            f"harness/flops.py or, if it multiplies no matrices, add it to FREE_OPERATORS"
        )
    weights = dict(model.named_parameters())
    layers = []
    for name in masked:
        macs = sum(by_module[name.rpartition(".")[0]][op] for op in PRODUCTS)
        size = weights[name].numel()
        if macs % size:
            raise UsageError(f"{name}: {macs:g} multiply-accumulates are no multiple of its {size} weights")
        layers.append(LayerCost(name, tuple(weights[name].shape), size, int(macs) // size))
    total = sum(int(by_module[""][op]) for op in PRODUCTS)
    return Costs(tuple(layers), 2 * (total - sum(layer.macs for layer in layers)))


@dataclass
class Ledger:
    """FLOPs spent by a run, charged iteration by iteration.

    Attributes:
        costs: Dense costs of the model.
        steps: Iterations charged.
        samples: Training images seen.
        flops: Training FLOPs spent; exact.
    """

    costs: Costs
    steps: int = 0
    samples: int = 0
    flops: int = 0

    def price(self, active: Sequence[int], samples: int, *, dense_gradient: bool = False) -> int:
        """FLOPs of one iteration over ``samples`` images."""
        return samples * self.costs.training(active, dense_gradient=dense_gradient)

    def charge(self, flops: int, samples: int, steps: int = 1) -> None:
        """Book iterations that cost ``flops`` in all."""
        self.steps += steps
        self.samples += samples
        self.flops += flops


def budget_samples(steps: int, train_samples: int, batch_size: int) -> int:
    """Images that the first ``steps`` iterations see: every epoch's last batch is what remains of it."""
    epochs, rest = divmod(steps, math.ceil(train_samples / batch_size))
    return epochs * train_samples + min(rest * batch_size, train_samples)
