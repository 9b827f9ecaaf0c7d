"""The training schedule: where a run stands on it, and how rewinding methods go through it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from methods import Rewinding

# Positions are quotients of integers, some with a rewind point added. A step is never less than 1e-9 of a schedule
# (`harness.budget.kinds.Steps.largest`), and the noise of these few operations never more than 1e-13: so a position
# has reached a mark exactly if it has in integers.
_NOISE = 1e-9
_POSITION_NOISE = 1e-12


def reached(position: float, mark: float) -> bool:
    """Whether a schedule position has reached a mark; float noise does not delay it by a step."""
    return position >= mark - _POSITION_NOISE


@dataclass(frozen=True)
class Schedule:
    """Where a run stands on its training schedule.

    With rewinding the first training goes through all of it, and each round begins again at ``position``.
    """

    rewinding: Rewinding | None = None

    @property
    def length(self) -> float:
        """How many times the schedule's length the whole run takes."""
        again = self.rewinding
        return 1.0 if again is None else 1 + again.rounds * (1 - again.position)

    @property
    def shortest(self) -> float:
        """Share of the schedule that its shortest pass takes: that of a rewinding round."""
        return 1.0 if self.rewinding is None else 1 - self.rewinding.position

    def locate(self, schedules: float) -> tuple[int, float]:
        """Return the round (0 is the first training) and the schedule position after so many schedule lengths."""
        if self.rewinding is None:
            return 0, min(schedules, 1.0)
        if schedules < 1 - _NOISE:
            return 0, schedules
        again = 1 - self.rewinding.position
        done, into = divmod(schedules - 1 + _NOISE, again)
        round_ = min(int(done) + 1, self.rewinding.rounds)
        if int(done) + 1 > self.rewinding.rounds:
            return round_, 1.0
        return round_, min(self.rewinding.position + max(into - _NOISE, 0.0), 1.0)
