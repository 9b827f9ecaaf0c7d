"""Ranks that say how much is known: an interval each, all of which hold at once with 95 % confidence."""

from typing import NamedTuple

from harness.board.pairs import Family


class Place(NamedTuple):
    """Where a row may stand among the ranked rows of its level.

    Attributes:
        first: The best rank that the tests leave: 1 + the number of rows shown to be better.
        last: The worst: the number of rows less those shown to be worse.
    """

    first: int
    last: int

    @property
    def may_lead(self) -> bool:
        """Whether no row is shown to be better; the board prints such a row bold."""
        return self.first == 1

    def __str__(self) -> str:
        """Return the interval, ``[1, 6]``, or the rank where only one is left."""
        return str(self.first) if self.first == self.last else f"[{self.first}, {self.last}]"


def places(family: Family) -> list[Place]:
    """Return the rank interval of each row of a family, in its order.

    Where every statement "i is better than j" of the family holds, every true rank is inside its interval; so the
    intervals hold together as often as the statements do.
    """
    everyone = range(family.rows)
    return [
        Place(
            1 + sum(family.better(other, row) for other in everyone if other != row),
            family.rows - sum(family.better(row, other) for other in everyone if other != row),
        )
        for row in everyone
    ]
