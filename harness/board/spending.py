"""Plans of looks: at how many seeds a level is tested, and how the 5 % are divided among these tests."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harness.board.statistics import LEVEL

LOOKS = (3, 5, 8, 12, 20)
"""Numbers of seeds at which a level is tested."""

_POWER = 1.5
"""The level spent by n of N seeds is 5 % times (n/N) to this power: little early, most at the last look."""


@dataclass(frozen=True)
class Plan:
    """The looks of a level, declared before it is continued beyond the first.

    Attributes:
        looks: Numbers of seeds, rising.
        spending: The level of each look's family of tests; together at most 5 %.
        margin: The difference that is of interest, of what is whole: a level that can show it is not continued. It
            decides when seeds stop, on which no statement depends, so it may differ between records.
    """

    looks: tuple[int, ...]
    spending: tuple[float, ...]
    margin: float

    @property
    def tests(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Looks and spending: what records must share to be tested together."""
        return self.looks, self.spending

    def declared_in(self, record: Mapping[str, Any]) -> bool:
        """Tell whether a record carries these tests."""
        found = carried(record)
        return found is not None and found.tests == self.tests

    def as_record(self) -> dict[str, Any]:
        """Return the plan as ``provenance.looks`` of a record holds it."""
        return {"margin": self.margin, "looks": list(self.looks), "spending": list(self.spending)}


def planned(margin: float) -> Plan:
    """Return the project's plan for a margin."""
    spent = [0.0, *(LEVEL * (seeds / LOOKS[-1]) ** _POWER for seeds in LOOKS)]
    return Plan(LOOKS, tuple(now - before for before, now in pairwise(spent)), margin)


def carried(record: Mapping[str, Any]) -> Plan | None:
    """Return the plan that a record carries; None without one, or with another than the project's.

    Looks and levels of one's own could have been chosen after the results were known. The project's hold whatever
    was known, so a plan that is added to records later buys nothing.
    """
    found = record["provenance"].get("looks")
    if not found:
        return None
    plan = planned(found["margin"] or 0.0)
    declared = {name: value for name, value in plan.as_record().items() if name != "margin"}
    return plan if declared == {name: found[name] for name in declared} else None


def commonest(plans: Sequence[Plan]) -> Plan | None:
    """Return the plan that most records or rows carry, with the smallest margin given for it; None if none do."""
    count = Counter(plan.tests for plan in plans)
    if not count:
        return None
    most = max(count, key=lambda tests: (count[tests], tests))
    return Plan(*most, min(plan.margin for plan in plans if plan.tests == most))
