"""What a run counts for in the standing: its error, which is 0 at best. Only this file knows the metric of a task."""

import math
from typing import NamedTuple

from harness.board.tables import Row, Table, result
from harness.records.metrics import ACCURACY, BITS_PER_BYTE


class Measure(NamedTuple):
    """How the errors of a table are measured.

    Attributes:
        best: The result without error: the metric's bound on its better side, or 0 where a metric of which lower is
            better has none, and no result is below 0.
        chance: The error of guessing, which no run exceeds. Of an accuracy it is 1 − 1/classes, of bits per byte what a
            uniform distribution takes, of any other metric the worst that its bounds allow; where they allow anything,
            the largest error of a run that is done in the table.
    """

    best: float
    chance: float

    def error(self, value: float) -> float:
        """Return the error of a result."""
        return min(max(0.0, abs(self.best - value)), self.chance)


def measure(table: Table) -> Measure | None:
    """Return how the errors of a table are measured; None where its metric has no bound to measure from."""
    metric = table.metric
    results = [result(run) for row in table.rows if not row.apart for run in row.runs.values()]
    best = metric.highest if metric.higher else metric.lowest
    if best is None and not metric.higher and min(results, default=0.0) >= 0:
        best = 0.0
    if best is None:
        return None
    classes = table.task["dataset"].get("classes")
    known = isinstance(classes, int) and not isinstance(classes, bool) and classes > 1
    if metric == ACCURACY:
        return Measure(best, 1 - 1 / classes if known else 1.0)
    if metric == BITS_PER_BYTE and known:
        return Measure(best, math.log2(classes))
    worst = metric.lowest if metric.higher else metric.highest
    if worst is not None:
        return Measure(best, abs(best - worst))
    return Measure(best, max((abs(best - value) for value in results), default=1.0))


def of_seeds(row: Row, seeds: int, measured: Measure) -> list[float] | None:
    """Return a row's error on each of the seeds 0, 1, …, or None if one of them has no result yet.

    A run that diverged or is invalid counts as chance, and so does a finished one that is worse.
    """
    found = []
    for seed in range(seeds):
        if seed in row.runs and seed not in row.failed:
            found.append(measured.error(result(row.runs[seed])))
        elif seed in row.failed:
            found.append(measured.chance)
        else:
            return None
    return found
