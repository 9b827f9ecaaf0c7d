"""Formats for a sparse matrix that torch itself computes with.

A format turns a matrix into a function that multiplies it with columns. What it cannot hold, and what torch cannot
compute on a device, it refuses with the reason; whether it computes correctly is checked by whoever uses it.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Multiply = Callable[[Tensor], Tensor]
"""Takes columns [inputs, any number], returns the products [outputs, the same number]."""

_GROUP, _MOST_OF_GROUP = 4, 2
_CAPABILITY = (8, 0)


class UnsuitedError(Exception):
    """A format cannot hold a matrix, or torch cannot multiply with it here; the message says why."""


def csr(matrix: Tensor) -> Multiply:
    """Compressed sparse rows: each non-zero weight with its column.

    Args:
        matrix: Dense values [outputs, inputs], zero outside the mask.
    """
    with quiet():
        found = matrix.to_sparse_csr()
        # MKL's indices have 32 bits: wider ones would be converted at every product.
        narrow = torch.int32 if matrix.device.type == "cpu" else torch.int64
        sparse = torch.sparse_csr_tensor(
            found.crow_indices().to(narrow),
            found.col_indices().to(narrow),
            found.values(),
            found.shape,
            check_invariants=True,
        )

    return _product(sparse)


def bsr(block: int) -> Callable[[Tensor], Multiply]:
    """Return the format of compressed sparse rows of dense blocks.

    Args:
        block: Rows and columns of a block.
    """

    def made(matrix: Tensor) -> Multiply:
        if any(side % block for side in matrix.shape):
            shape = "×".join(map(str, matrix.shape))
            raise UnsuitedError(f"a matrix of {shape} is not whole blocks of {block}×{block}")
        with quiet():
            sparse = matrix.to_sparse_bsr((block, block))
        if sparse.col_indices().numel() * block * block == matrix.numel():
            raise UnsuitedError(f"no block of {block}×{block} is empty")
        return _product(sparse)

    return made


def _product(sparse: Tensor) -> Multiply:
    def multiply(columns: Tensor) -> Tensor:
        if columns.shape[1] == 1:  # a product with a vector is up to four times as fast
            return (sparse @ columns[:, 0])[:, None]
        return sparse @ columns

    return multiply


def semi_structured(matrix: Tensor) -> Multiply:
    """At most 2 of every 4 neighbours in a row, as the sparse tensor cores of NVIDIA's GPUs take them.

    torch would store any matrix so and drop what does not fit; here such a matrix is refused.
    """
    if matrix.device.type != "cuda" or torch.cuda.get_device_capability(matrix.device) < _CAPABILITY:
        raise UnsuitedError("needs an NVIDIA GPU of compute capability 8.0 or newer")
    if matrix.dtype not in (torch.float16, torch.bfloat16):
        raise UnsuitedError(f"is for float16 and bfloat16, not {str(matrix.dtype).removeprefix('torch.')}")
    if not has_pattern(matrix):
        raise UnsuitedError(f"the mask leaves more than {_MOST_OF_GROUP} of {_GROUP} neighbours in some place")
    with quiet():
        sparse = torch.sparse.to_sparse_semi_structured(matrix.contiguous())
    return lambda columns: sparse @ columns


def has_pattern(matrix: Tensor) -> bool:
    """Tell whether at most 2 of every 4 neighbours in each row are not zero."""
    if matrix.shape[1] % _GROUP:
        return False
    groups = (matrix != 0).reshape(-1, _GROUP).sum(1)
    return int(groups.max()) <= _MOST_OF_GROUP


FORMATS: dict[str, Callable[[Tensor], Multiply]] = {
    "csr": csr,
    **{f"bsr{block}": bsr(block) for block in (4, 8, 16)},
    "2:4": semi_structured,
}
"""Every format beside dense, by name."""

CHANNELS_LAST = ("2:4",)
"""Formats of which the weights of a convolution have neighbouring channels as neighbours, as patterns are defined."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence that these formats are in beta and prototype state, here and in SparseLab: results are checked."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse (CSR|BSR) tensor support is in beta", UserWarning)
        warnings.filterwarnings("ignore", "Sparse invariant checks are implicitly disabled", UserWarning)
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        warnings.filterwarnings("ignore", "The PyTorch API of SparseSemiStructuredTensor is in prototype", UserWarning)
        yield
