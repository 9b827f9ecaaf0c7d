"""Checks of the numbers that a method gives to its masks."""

from collections.abc import Sequence
from operator import index


def whole(where: str, counts: Sequence[int]) -> list[int]:
    """Return counts as Python's integers: those of NumPy would overflow in a ledger, tensors would wait.

    Raises:
        ValueError: They are not whole; the message names them.
    """
    try:
        return [index(count) for count in counts]
    except TypeError:
        raise ValueError(f"{where}: {repr(counts)[:80]} are not whole numbers") from None


def check_count(where: str, count: int, most: int, of: str) -> None:
    """Require that a count is in 0...``most``.

    Raises:
        ValueError: It is not; the message names it and what it is of.
    """
    if not 0 <= count <= most:
        raise ValueError(f"{where}: {count} is not in 0...{most}, the number of weights of {of}")
