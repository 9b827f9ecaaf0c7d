"""Published numbers, and how their protocol differs from ours, in words.

They are facts copied from the papers (``results/reference``), never ranked against runs of ours: a paper
chooses its checkpoint, its budget and its seeds by its own rules.
"""

from dataclasses import dataclass
from typing import Any

from harness.board.tables import Row, Table
from harness.records.metrics import ACCURACY

# Densities this near to each other are shown side by side, with the difference said: 0.8**10 is not 0.1.
_NEAR = 0.10


@dataclass(frozen=True)
class Published:
    """One number of a paper.

    Attributes:
        method: The paper's name for the method.
        ours: Our name for it, whether or not we have it.
        stretch: How many times longer than its table's protocol it trained (5 for "RigL 5×").
        top1: Test accuracy, per cent; of another metric, its value on the test set.
        std: How much it spreads over seeds, in the same unit; None where not given.
        spread: What that number is: ``std``, ``standard error``, ``half a 95 % interval`` or ``range``.
        train_flops_x: Training FLOPs as a multiple of the dense run's.
        inference_flops_x: The same for inference.
        metric: The name of the metric that it is of.
    """

    source: str
    dataset: str
    model: str
    protocol: str
    method: str
    ours: str
    stretch: float
    distribution: str
    sparsity: float
    top1: float
    std: float | None
    train_flops_x: float | None
    inference_flops_x: float | None
    note: str
    spread: str = "std"
    metric: str = ACCURACY.name


def _near(one: float, other: float) -> bool:
    """Tell whether two sparsities are near enough to be looked at side by side."""
    if one == 0 or other == 0:
        return one == other
    return abs((1 - one) - (1 - other)) <= _NEAR * max(1 - one, 1 - other)


def beside(published: list[Published], table: Table) -> list[Published]:
    """Return the published numbers of a table's metric on its data set and model, at about one of its sparsities.

    Args:
        published: All that are known.
        table: The table; the order is by sparsity, then method, then result, best first.
    """
    levels = {row.sparsity for row in table.rows}
    here = [
        p
        for p in published
        if (p.dataset, p.model, p.metric) == (table.dataset, table.model, table.metric.name)
        and any(_near(p.sparsity, s) for s in levels)
    ]
    return sorted(here, key=lambda p: (p.sparsity, p.method, -table.metric.gain(p.top1), p.source, p.note))


def ours(published: Published, table: Table) -> Row | None:
    """Return our row for a published number: its method, about its sparsity, trained as many times longer.

    Of several the first is one whose layers have the published densities.
    """
    if published.stretch != table.stretch:
        return None
    rows = [
        row for row in table.rows if row.name == published.ours and row.runs and _near(row.sparsity, published.sparsity)
    ]

    def order(row: Row) -> tuple[bool, float, str, str]:
        """Layer densities first, then the nearest sparsity, what a container made, and the plainest name."""
        other = bool(published.distribution) and row.settings.get("distribution") != published.distribution
        return (other, abs(row.sparsity - published.sparsity), row.runner, row.method)

    return min(rows, key=order, default=None)


def difference(published: Published, table: Table, row: Row | None) -> str:
    """Say in words how the published protocol differs from a table of ours.

    Args:
        published: The number.
        table: The table it stands beside.
        row: Our row for it, as `ours` finds it.
    """
    recipe = table.task["recipe"]
    mine = [f"recipe {table.recipe}", table.budget]
    if batch := recipe.get("batch_size"):
        mine.append(f"batch {batch:g}")
    words = [f"theirs: {published.protocol}", f"ours: {', '.join(mine)}, last epoch, test set used once"]
    if row is not None:
        if abs(published.sparsity - row.sparsity) > 1e-9:
            words.append(f"sparsity theirs {published.sparsity:.4g}, ours {row.sparsity:.4g}")
        layers: Any = row.settings.get("distribution")
        if published.distribution and layers and str(layers) != published.distribution:
            words.append(f"layer densities theirs {published.distribution}, ours {layers}")
    if published.note:
        words.append(f"note: {published.note}")
    return "; ".join(words)
