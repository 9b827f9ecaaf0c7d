"""A second count of a model's products, by fvcore: written by others, by another way, and blind where ours sees.

fvcore traces the modules with TorchScript, `harness.budget.measure` follows the weights through the dispatcher. Where
fvcore can count a model at all, the two must agree.
"""

import logging
from collections.abc import Sequence

from fvcore.nn import FlopCountAnalysis
from torch import nn

from harness.budget.inputs import Inputs
from harness.errors import UsageError

PRODUCTS = ("conv", "linear", "matmul", "bmm", "addmm", "baddbmm", "einsum")

#: Operators for which fvcore has no handle and that multiply no matrices.
_FREE = frozenset(
    f"aten::{name}"
    for name in (
        "abs add add_ adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d avg_pool1d avg_pool2d batch_norm "
        "cat chunk clamp clamp_ clone constant_pad_nd contiguous detach div div_ dropout dropout_ elu elu_ embedding "
        "expand expand_as feature_dropout flatten gelu gelu_ group_norm hardsigmoid hardswish hardswish_ hardtanh "
        "hardtanh_ layer_norm leaky_relu leaky_relu_ log_softmax max_pool1d max_pool2d mean mul mul_ narrow neg pad "
        "permute pow prelu relu relu6 relu6_ relu_ reshape rsqrt select sigmoid sigmoid_ silu silu_ slice softmax "
        "split sqrt squeeze stack sub sub_ sum tanh tanh_ to transpose unbind unflatten unsqueeze view where"
    ).split()
)


def require_agreement(name: str, model: nn.Module, inputs: Inputs, counted: int) -> None:
    """Compare a model's forward FLOPs for one sample with fvcore's, where fvcore can count it; once for each count.

    Raises:
        UsageError: They differ.
    """
    known = (name, inputs, counted)
    if known in _agreed:
        return
    second = forward_flops(model, inputs)
    if second not in (None, counted):
        raise UsageError(f"{name} costs {counted:,} FLOPs for one sample, but fvcore counts {second:,}")
    _agreed.add(known)


_agreed: set[tuple[str, Inputs, int]] = set()


def forward_flops(model: nn.Module, inputs: Inputs | Sequence[int]) -> int | None:
    """Count a model's products for one sample in evaluation mode, two FLOPs a multiply-accumulate.

    Args:
        model: On the CPU; its mode is restored.
        inputs: Of one sample, or the shape of a float32 one.

    Returns:
        FLOPs; None if the model uses an operator that fvcore cannot count, or cannot be traced.
    """
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    training = model.training
    analysis = FlopCountAnalysis(model.eval(), Inputs.of(inputs).zeros(1))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    try:
        found = analysis.by_operator()
        unknown = set(analysis.unsupported_ops()) - _FREE
    except Exception:  # whatever tracing a stranger's module raises: then there is one count alone
        return None
    finally:
        model.train(training)
    return None if unknown else 2 * sum(int(found[product]) for product in PRODUCTS)
