"""What a reader of the board must know, in the same words in every view."""

from collections.abc import Iterable

from harness.board.tables import Table
from harness.records.metrics import ACCURACY

READING = [
    (
        "Methods are ranked only inside one table (task × budget × device) and one sparsity. A rank is an interval: "
        "[2, 6] of 11 says that one method is shown to be better and five to be worse. All intervals of one sparsity "
        "hold together with 95 % confidence. They come from a paired t-test of every pair on the same seeds, with its "
        "variance moderated over all pairs (from eight methods on) and Holm's correction over all pairs. Bold: no "
        "method is shown to be better. Not shown to differ is not equal: what each table could have shown stands "
        "below it."
    ),
    (
        "Ranked are rows made in a container, with each required seed done (0, 1, 2, … as far as most rows of the "
        "level have them, at least three), on the code, data and image of most rows of the table; of the variants of "
        "a method, the one nearest to its defaults. A table in which no method has a result from a container ranks its "
        "local rows by the same rules. All others are listed with the reason, lead nothing and change no test. A run "
        "that diverged or broke the rules is its seed's result and keeps its row from a rank; one that was "
        "interrupted, failed, or ran out of time or memory is to be repeated."
    ),
    (
        "Accuracy is the mean test accuracy of the last epoch over seeds, ± half a 95 % t-interval. The interval is "
        "over seeds (initial weights, split, order), with the test set as it is. Where every run of a row says which "
        "images it got right, a second interval stands beside it: over seeds and another draw of as many test images. "
        "The test set is used once per run, at the end. One seed alone has no interval."
    ),
    (
        "FLOPs are those of convolutions, linear layers and attention products, at the layer densities of each step; "
        "normalisation, activations, loss and optimiser arithmetic are not counted. × is the multiple of the dense "
        "run's."
    ),
    (
        "Wall-clock, memory and energy are means over the runs on the hardware named, never across hardware, and are "
        "never ranked. Runs that shared it, or were throttled (the GPU too hot or short of power in over 1 % of the "
        "samples taken each second), count as other hardware."
    ),
    ("Verified runs were made in the pinned container; local ones on a machine as it was."),
    ("A failed run is a row in the list of failures, and counts in the status of its method."),
]
"""How to read the board, one point each."""

OTHERS = (
    "Tables of tasks other than classification name their metric, and whether lower is better. A better result is one "
    "that the metric calls better. What is said in points of accuracy is said there in parts of what the dense run "
    "reaches, or the best row where there is none: a point is 1 % of that (docs/statistics.md)."
)
"""The point that is added where there are such tables."""


def reading(tables: Iterable[Table]) -> list[str]:
    """Return how to read a board of these tables."""
    return [*READING, *([OTHERS] if any(table.metric != ACCURACY for table in tables) else [])]


DISTURBED = (
    "† These runs shared the machine with others, or were throttled: their seconds and joules are not the "
    "method's own and do not compare methods."
)
"""What the dagger after a time means."""

LOST = (
    "A lost seed was started and has no result: it diverged, broke the rules or failed. It may be the method's "
    "worst, so a row that lost one has no rank."
)
"""What is said where a row has lost seeds."""


def breakdown(table: Table) -> str:
    """Return what stands above the table of breakdown."""
    accuracy = table.metric == ACCURACY
    what, margin, below = "less 1 point of accuracy", "1 point", "below"
    if not accuracy:
        what, margin, below = f"with a margin of 1 % of its {table.metric.noun}", "that", "worse"
    return (
        f"Against dense, {what}: a method holds up to a sparsity if there, and at each lower one that it "
        f"was run at, it is shown to be less than {margin} {below}. It breaks from one if there, and at each higher "
        f"one, it is shown to be further {below}, or a seed diverged or was invalid. The training FLOPs are the least "
        "at which it holds. All of it is true together with 95 % confidence."
    )
