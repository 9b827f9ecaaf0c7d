"""Local rows beside verified ones: each is tested against the leader, in no family but its own.

Beside verified rows a local one has no rank, leads nothing and changes no test of others. It is compared with the
ranked row of the best mean, on the seeds that this row is ranked by. That row was picked by what it shows, so the
p-value is multiplied by the number of ranked rows: whichever of them led, a statement on one local row is wrong at most
5 % of the time.
"""

from typing import NamedTuple

from harness.board import eligible, grouping
from harness.board.levels import Level
from harness.board.pairs import FEWEST_SEEDS, compare
from harness.board.scale import Scale, scale_of
from harness.board.statistics import LEVEL
from harness.board.tables import REFERENCE, Row, Table, result


class Apart(NamedTuple):
    """A local row against the leader of its level.

    Attributes:
        row: The local row.
        leader: The ranked row with the best mean.
        gap: Mean gain of the local row minus the leader's, on the same seeds; None if it is not tested.
        p: The p-value of "both are equally good", for a leader picked by its mean; None if it is not tested.
        why_not: Why it is not tested, in words; empty if it is.
    """

    row: Row
    leader: Row
    gap: float | None
    p: float | None
    why_not: str = ""

    @property
    def verdict(self) -> str:
        """What the test shows, in words."""
        if self.p is None or self.gap is None:
            return f"not tested against {self.leader.method}: {self.why_not}"
        if self.p > LEVEL:
            return f"not shown to differ from {self.leader.method}"
        return f"shown to be {'better' if self.gap > 0 else 'worse'} than {self.leader.method}"


def tested(table: Table, level: Level) -> list[Apart]:
    """Test each local row of a level that has a ranked one; the best mean first."""
    if not level.ranked:
        return []
    local = [row for row in table.rows if row.apart and row.sparsity == level.sparsity and row.runs]
    return [_against(row, level, scale_of(table)) for row in local if row.name != REFERENCE]


def told(table: Table) -> list[str]:
    """Say of each local row how it stands to the leader of its level, e.g. below the table of the board.

    For example ``local at 0.9: rigl 88.10, not shown to differ from gmp``.
    """
    return [
        f"local at {level.sparsity:g}: {each.row.method} {_mean(each.row)}, {each.verdict}"
        for level in table.levels
        for each in tested(table, level)
    ]


def _mean(row: Row) -> str:
    return row.metric.shown(row.score.mean) if row.score else "–"


def _against(row: Row, level: Level, scale: Scale) -> Apart:
    leader = level.ranked[0]
    if why_not := _why_not(row, leader):
        return Apart(row, leader, None, None, why_not)
    theirs = leader.gains
    ours = [row.metric.gain(result(row.runs[seed])) for seed in theirs]
    family = compare([ours, list(theirs.values())], *scale)
    return Apart(row, leader, family.gaps[0, 1], min(1.0, family.p[0, 1] * len(level.ranked) * LEVEL / level.error))


def _why_not(row: Row, leader: Row) -> str:
    if row.failed:
        return eligible.failures(row)
    if len(leader.scores) < FEWEST_SEEDS or not leader.scores.keys() <= row.runs.keys():
        return "it lacks seeds of that row"
    if short := eligible.falls_short(row):
        return f"it {short}"
    mine, others = ({made._replace(environment="") for made in grouping.ways(one.example)} for one in (row, leader))
    return "" if mine & others else "made with other code or data"
