"""What one traced pass of a network found, and why a weight cannot be masked."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

RECOMPUTED = "is recomputed before it enters a product (a parametrisation, a normalisation, a mask of its own)"
IN_PARTS = "enters a product in parts that are not whole rows"
FLAT = "has one dimension but enters a product as a matrix"
MIXED = "is scaled or chosen by the inputs before it enters a product"
IN_ATTENTION = "enters attention itself, whose cost goes by shape"
WRITTEN = "is written to in the forward pass"


def by_hand(meets: str, reduces: str) -> str:
    """Say that a weight enters a product of operators that do not say so."""
    return (
        f"enters a product written by hand, {meets} with the inputs and then {reduces} (counted and masked are linear "
        f"layers, convolutions and matrix products)"
    )


@dataclass
class Findings:
    """What one pass found.

    Attributes:
        macs: Multiply-accumulates of all products.
        uses: By parameter, the multiply-accumulates of each run of its elements (first, one past the last) that
            entered products as itself.
        roles: By parameter, the kinds of those products.
        not_by_output: Parameters whose first dimension is not known to be that of the outputs in all their products.
        pairs: Parameters that were multiplied with each other.
        refused: By parameter, why its cost or its mask cannot be told.
        other_roles: Parameters that were used element by element.
        looked_up: Parameters of which parts were chosen by what follows from the inputs.
        touched: Parameters that any operator read.
        unknown: Names of operators of unknown cost.
        reached: Parameters that a gradient reaches; None where that cannot be told.
        decides: Whether the network asked for a tensor's value, and may branch on it.
    """

    macs: int = 0
    uses: dict[str, Counter[tuple[int, int]]] = field(default_factory=lambda: defaultdict(Counter))
    roles: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    not_by_output: set[str] = field(default_factory=set)
    pairs: set[frozenset[str]] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    other_roles: set[str] = field(default_factory=set)
    looked_up: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    reached: set[str] | None = None
    decides: bool = False
