"""What a point is in each table: tests and findings are in points, whatever the metric."""

import math
from typing import NamedTuple

from harness.board.tables import REFERENCE, Table, result
from harness.records.metrics import ACCURACY


class Scale(NamedTuple):
    """How large differences of a metric are.

    Attributes:
        resolution: The smallest that it can show: of an accuracy one test sample; 0 if not known, or of another metric.
        whole: What a hundred points are. Of a share that is 1; of any other metric it is the size of the dense row's
            mean, or of the best one's where there is none, so that a point is one per cent of that.
    """

    resolution: float = 0.0
    whole: float = 1.0


def scale_of(table: Table) -> Scale:
    """Return how large differences of a table's metric are."""
    if table.metric == ACCURACY:
        examples = table.task["dataset"].get("test_examples")
        return Scale(1 / examples if examples else 0.0)
    if table.metric.share:
        return Scale()
    rows = [row for row in table.rows if row.runs]
    rows = [row for row in rows if not row.apart] or rows  # verified ones alone may all have failed
    rows = [row for row in rows if row.name == REFERENCE] or rows
    # of all runs, whether or not their rows turn out to be ranked
    means = [math.fsum(map(result, row.runs.values())) / len(row.runs) for row in rows]
    best: float = max(means, key=table.metric.gain, default=1.0)
    return Scale(whole=abs(best) or 1.0)
