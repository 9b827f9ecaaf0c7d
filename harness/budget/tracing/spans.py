"""Which elements of a parameter a tensor holds, told by its offset and strides."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Source:
    """A storage that holds a run of a parameter's elements.

    Attributes:
        parameter: Its name.
        start: The first element, in the parameter's own order.
        stop: One past the last.
        ordered: Whether they lie in that order; else only all of them together can be told.
    """

    parameter: str
    start: int
    stop: int
    ordered: bool = True


def extent(tensor: Tensor) -> int:
    """Return the number of sides along which a tensor's elements differ."""
    return sum(side > 1 and stride != 0 for side, stride in zip(tensor.shape, tensor.stride(), strict=True))


def run_of(tensor: Tensor, source: Source) -> tuple[int, int] | None:
    """Return which elements of its parameter a tensor holds, each equally often: the first, and one past the last.

    None if they are not a run without gaps, or cannot be told.
    """
    sides = sorted(
        (stride, side)
        for stride, side in zip(tensor.stride(), tensor.shape, strict=True)
        if side > 1 and stride  # an expanded side repeats the same elements
    )
    length = 1
    for stride, side in sides:
        if stride != length:
            return None
        length *= side
    if not source.ordered:
        whole = tensor.numel() and tensor.numel() % (source.stop - source.start) == 0
        stored = tensor.untyped_storage().nbytes() // tensor.element_size()
        return (source.start, source.stop) if whole and length == stored else None
    start = source.start + tensor.storage_offset()
    return (int(start), int(start + length)) if start + length <= source.stop else None


def sums_rows(tensor: Tensor, side: int, source: Source, row: int) -> bool:
    """Whether a sum along a side of a tensor is over whole rows of the parameter that it holds, of ``row`` elements.

    The parameter's first dimension is then that of the outputs. Of a copy in another order that cannot be told.
    """
    return source.ordered and tensor.stride(side) * tensor.shape[side] == row
