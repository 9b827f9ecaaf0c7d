"""Measuring what a model costs: its products, counted layer by layer with fvcore."""

import logging
from collections import Counter
from collections.abc import Sequence

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from harness.budget.costs import Costs, LayerCost
from harness.errors import UsageError

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
"""Operators that fvcore does not count and that are not products: element-wise, normalising, moving, pooling."""

PRODUCTS = ("conv", "linear", "matmul", "bmm", "addmm", "baddbmm", "einsum")
"""fvcore's names for products of matrices."""


def measure(model: nn.Module, masked: Sequence[str], shape: Sequence[int]) -> Costs:
    """Count a model's products for one image with fvcore.

    Only convolution, linear and attention products count; fvcore's own total would add the operations of
    normalisation to multiply-accumulates. A tied weight is charged once for each use.

    Args:
        model: An eager module, which fvcore traces; its mode is restored.
        masked: Names of the masked weights, in model order.
        shape: One image, (channels, height, width).

    Raises:
        UsageError: The model uses an operator whose cost is not known; the message names it.
    """
    by_module, operators = _trace(model, shape)
    if unknown := sorted(operators - FREE_OPERATORS):
        raise UsageError(
            f"{type(model).__name__} uses operators of unknown cost: {', '.join(unknown)}; give each a count in "
            f"harness/budget/measure.py or, if it multiplies no matrices, add it to FREE_OPERATORS"
        )
    weights = dict(model.named_parameters())
    layers = []
    for name in masked:
        weight = weights[name]
        macs = sum(by_module[user][product] for user in _users(model, weight) for product in PRODUCTS)
        size = weight.numel()
        if macs % size:
            raise UsageError(f"{name}: {macs:g} multiply-accumulates are not a multiple of its {size} weights")
        layers.append(LayerCost(name, tuple(weight.shape), size, int(macs) // size))
    total = sum(int(by_module[""][product]) for product in PRODUCTS)
    return Costs(tuple(layers), 2 * (total - sum(layer.macs for layer in layers)), _stem(model, masked))


def _stem(model: nn.Module, masked: Sequence[str]) -> int | None:
    """Return the index of the model's first convolution among the masked weights, if it is one of them."""
    kernels = {id(layer.weight) for layer in model.modules() if isinstance(layer, nn.modules.conv._ConvNd)}
    first = next((name for name, weight in model.named_parameters() if id(weight) in kernels), None)
    return list(masked).index(first) if first is not None and first in masked else None


def _trace(model: nn.Module, shape: Sequence[int]) -> tuple[dict[str, Counter[str]], set[str]]:
    """Return fvcore's counts by module and operator, and the operators that it cannot count."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    analysis = FlopCountAnalysis(model, torch.zeros(1, *shape, device=device))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    try:
        return analysis.by_module_and_operator(), set(analysis.unsupported_ops())
    finally:
        model.train(training)


def _users(model: nn.Module, weight: nn.Parameter) -> list[str]:
    """Return the names of the modules that hold a weight: several where it is tied."""
    return [
        name for name, module in model.named_modules() if any(held is weight for held in module._parameters.values())
    ]
