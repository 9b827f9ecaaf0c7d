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
        row: How many elements the parameter has for each index of its first dimension.
        outer: The stride of that dimension in the storage; 0 if it cannot be told.
        ordered: Whether they lie in that order; else only all of them together can be told.
    """

    parameter: str
    start: int
    stop: int
    row: int
    outer: int
    ordered: bool = True

    def copied(self, original: Tensor, copy: Tensor, run: tuple[int, int]) -> "Source":
        """Return the source that a copy of a run of it is."""
        whole = original.numel() == copy.numel()
        if whole and original.is_contiguous() and copy.is_contiguous():
            return Source(self.parameter, *run, self.row, self.outer, self.ordered)
        alike = whole and original.dim() == copy.dim()
        sides = zip(original.shape, original.stride(), copy.stride(), strict=True) if alike else ()
        outer = next((new for size, old, new in sides if size > 1 and old == self.outer), 0)
        return Source(self.parameter, *run, self.row, outer, ordered=False)

    def first_is(self, dimension: int | None, tensor: Tensor, run: tuple[int, int]) -> bool:
        """Whether a dimension of a tensor that holds a run of it is known to be the parameter's first one."""
        if dimension is None:
            return False
        size = tensor.shape[dimension]
        return size * self.row == run[1] - run[0] and (size == 1 or tensor.stride(dimension) == self.outer)


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
