"""ATen's operators as a trace sees them: what a product costs, what costs nothing, what only moves values."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


@dataclass(frozen=True)
class Product:
    """One product of a network.

    Attributes:
        macs: Its multiply-accumulates.
        operands: The tensors that are multiplied; a kernel comes last.
        role: What kind of product it is. A weight with two roles belongs to layers of different kinds.
        outputs: The dimension of each operand that runs over outputs if it is the weight; None if none does.
    """

    macs: int
    operands: tuple[Tensor, ...]
    role: str
    outputs: tuple[int | None, ...]


CONVOLUTION, MATRIX, ATTENTION = "convolution", "matrix product", "attention"


def _convolution(out: Tensor, images: Tensor, kernel: Tensor, *rest: Any) -> Product:
    transposed = bool(rest[4])  # after bias, stride, padding and dilation
    positions = images if transposed else out
    macs = kernel.numel() * images.shape[0] * math.prod(positions.shape[2:])
    if transposed:
        return Product(macs, (images, kernel), f"transposed {CONVOLUTION}", (None, None))
    return Product(macs, (images, kernel), CONVOLUTION, (None, 0))


def _matrix(out: Tensor, one: Tensor, other: Tensor, *_: Any) -> Product:
    outputs = (-2 if one.dim() > 1 else None, -1 if other.dim() > 1 else None)
    return Product(out.numel() * one.shape[-1], (one, other), MATRIX, outputs)


def _added(out: Tensor, _: Tensor, one: Tensor, other: Tensor, *__: Any) -> Product:
    return _matrix(out, one, other)


def _summed(out: Tensor, _: Tensor, one: Tensor, other: Tensor, *__: Any) -> Product:
    return Product(one.numel() * other.shape[-1], (one, other), MATRIX, (-2, -1))


def _linear(out: Tensor, rows: Tensor, weight: Tensor, *_: Any) -> Product:
    return Product(rows.numel() * weight.shape[0], (rows, weight), MATRIX, (None, -2))


def _attention(out: Any, query: Tensor, key: Tensor, value: Tensor, *_: Any) -> Product:
    """Two products, by shape alone: a causal mask or dropout saves nothing."""
    scores = math.prod(query.shape[:-1]) * key.shape[-2]
    macs = scores * (query.shape[-1] + value.shape[-1])
    return Product(macs, (query, key, value), ATTENTION, (None, None, None))


PRODUCTS: dict[Any, Callable[..., Product]] = {
    aten.convolution: _convolution,
    aten.mm: _matrix,
    aten.bmm: _matrix,
    aten.mv: _matrix,
    aten.dot: _matrix,
    aten.vdot: _matrix,
    aten.matmul: _matrix,
    aten.linear: _linear,
    aten.addmm: _added,
    aten._addmm_activation: _added,
    aten.addmv: _added,
    aten.baddbmm: _added,
    aten.addbmm: _summed,
    aten._scaled_dot_product_flash_attention: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_efficient_attention: _attention,
    aten._scaled_dot_product_cudnn_attention: _attention,
    aten._scaled_dot_product_fused_attention_overrideable: _attention,
}
"""Formulas by operator; each takes the result and the operator's arguments by place.

Those by name, such as a scale, a mask of attention or `alpha`, change no number of multiply-accumulates.
"""

COPIES = frozenset(
    getattr(aten, name)
    for name in (
        "_reshape_copy _to_copy clone detach_copy expand_copy flip lift_fresh_copy permute_copy repeat roll "
        "squeeze_copy t_copy transpose_copy unsqueeze_copy view_copy"
    ).split()
    if hasattr(aten, name)
)
"""Operators whose result holds each value of their input, equally often and perhaps in another order."""

SUMS = frozenset(getattr(aten, name) for name in ("sum", "mean", "nansum", "cumsum"))

CHOICES = frozenset((aten.index, aten.index_select, aten.gather, aten.embedding, aten.take))
"""Operators that choose parts of their first input."""

_SHIFTS = frozenset(
    "add sub rsub subtract maximum minimum fmax fmin clamp where masked_fill copy fill eq ne lt le gt ge "
    "logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_not nextafter copysign".split()
)
"""Names of element-wise operators that scale nothing by anything."""

VALUE = aten._local_scalar_dense
"""What ``item()`` and a branch on a tensor call."""

_SHAPES_ONLY = ("_like", "new_")
_FREE = frozenset(
    (
        # moving, choosing and comparing
        "_index_put_impl_ _local_scalar_dense _pack_padded_sequence _reshape_alias _unsafe_index _unsafe_index_put "
        "_unsafe_view argmax argmin argsort arange bucketize cat channel_shuffle col2im constant_pad_nd copy copy_ "
        "embedding embedding_bag _embedding_bag fill fill_ gather im2col index index_add index_copy index_fill "
        "index_put index_put_ index_select kthvalue lift_fresh masked_fill masked_fill_ masked_scatter masked_select "
        "native_channel_shuffle nonzero one_hot pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d "
        "reflection_pad3d replication_pad1d replication_pad2d replication_pad3d rot90 scatter scatter_add "
        "scatter_reduce select_scatter slice_scatter sort stack topk tril triu unsafe_chunk unsafe_split "
        "unsafe_split_with_sizes resize_ set_ zero_ "
        # pooling, resizing, sampling
        "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d adaptive_max_pool1d adaptive_max_pool2d "
        "adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d fractional_max_pool2d grid_sampler_2d grid_sampler_3d "
        "max_pool1d max_pool2d max_pool2d_with_indices max_pool3d_with_indices upsample_bicubic2d upsample_bilinear2d "
        "upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d "
        "_upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact2d affine_grid_generator "
        # normalising
        "_batch_norm_with_update _batch_norm_no_update _native_batch_norm_legit "
        "_native_batch_norm_legit_no_training _native_batch_norm_legit_functional batch_norm cudnn_batch_norm "
        "native_batch_norm native_group_norm native_layer_norm _fused_rms_norm "
        "instance_norm _log_softmax _safe_softmax _softmax "
        "_masked_softmax log_softmax softmax _weight_norm_interface "
        # reducing
        "all amax amin any aminmax count_nonzero cummax cummin cumprod cumsum linalg_vector_norm logcumsumexp "
        "logsumexp max mean median min norm prod std std_mean sum var var_mean nansum "
        # element by element, where torch does not say so itself
        "_thnn_fused_gru_cell _thnn_fused_lstm_cell celu elu hardsigmoid hardswish hardtanh leaky_relu mish prelu "
        "relu6 rrelu selu silu gelu hardshrink softshrink threshold "
        "bernoulli bernoulli_ dropout feature_dropout glu native_dropout "
        "multinomial normal normal_ rrelu_with_noise uniform uniform_ _prelu_kernel softplus log_sigmoid_forward "
        "fake_quantize_per_channel_affine_cachemask fake_quantize_per_tensor_affine_cachemask "
        "random_ exponential_ _assert_async _assert_scalar sym_size"
    ).split()
)
"""Names of operators that multiply no matrices, of those that torch does not mark as element-wise or as views."""


def normalised_without_values(operator: Any, args: tuple[Any, ...]) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return the shapes that batch normalisation returns; None for another operator, or for tensors with values.

    Torch works them out step by step, which takes longer than all the rest of a network on the meta device.
    """
    if operator.overloadpacket is not aten.native_batch_norm or not args[0].is_meta:
        return None
    statistics = args[0].shape[1] if args[5] else 0  # in training
    return torch.empty_like(args[0]), args[0].new_empty(statistics), args[0].new_empty(statistics)


@cache
def name_of(operator: Any) -> str:
    """Return an operator's name as users meet it, ``"aten::mm"``."""
    return str(operator._schema.name)


@cache
def depends_on_shapes_only(operator: Any) -> bool:
    """Whether the result holds nothing of the values of the arguments, as ``zeros_like``."""
    name = name_of(operator).partition("::")[2]
    return name.endswith(_SHAPES_ONLY[0]) or name.startswith(_SHAPES_ONLY[1])


@cache
def is_free(operator: Any) -> bool:
    """Whether an operator is known to multiply no matrices."""
    space, _, name = name_of(operator).partition("::")
    if torch.Tag.pointwise in operator.tags or operator.is_view:
        return True
    if space not in ("aten", "prims"):
        return False
    plain = name.rstrip("_")  # only the variant that is not in place is marked
    if name in _FREE or plain in _FREE or operator.overloadpacket in COPIES:
        return True
    return any(torch.Tag.pointwise in variant.tags or variant.is_view for variant in _variants(plain))


@cache
def is_elementwise(operator: Any) -> bool:
    """Whether torch says that an operator works element by element, in place or not."""
    name = name_of(operator).partition("::")[2]
    in_place = name.endswith("_") and any(torch.Tag.pointwise in each.tags for each in _variants(name.rstrip("_")))
    return in_place or torch.Tag.pointwise in operator.tags


def _variants(name: str) -> list[Any]:
    packet = getattr(aten, name, None)
    return [getattr(packet, overload) for overload in packet.overloads()] if packet is not None else []


@cache
def multiplies(operator: Any) -> bool:
    """Whether an operator works element by element and may scale one operand by another: all but sums and choices."""
    return is_elementwise(operator) and name_of(operator).partition("::")[2].rstrip("_") not in _SHIFTS


@cache
def written_arguments(operator: Any) -> tuple[tuple[int, str], ...]:
    """Return place and name of the arguments that an operator writes into."""
    arguments = enumerate(operator._schema.arguments)
    return tuple((i, each.name) for i, each in arguments if each.alias_info is not None and each.alias_info.is_write)


@cache
def is_elementwise_product(operator: Any) -> bool:
    """Whether an operator multiplies element by element."""
    return operator.overloadpacket in (aten.mul, aten.mul_, aten.multiply)
