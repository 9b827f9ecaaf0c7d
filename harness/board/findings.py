"""What the tests of a level say, and what they cannot say, in words."""

from harness.board import levels, wording
from harness.board.levels import Level
from harness.board.resolution import TARGETS, seeds_for, smallest_difference
from harness.board.statistics import Estimate, difference
from harness.board.tables import Row, Table

MARGIN = 0.005
"""A row less accurate than another by less than this is as good for the question which is cheaper."""


def resolution(table: Table) -> str:
    """Say what each level of a table can show; nothing for a table that tests nothing."""
    told = [_resolution(level) for level in table.levels if level.family is not None]
    return " ".join(["What this can show, with 80 % power.", *told]) if told else ""


def _resolution(level: Level) -> str:
    assert level.family is not None
    pairs = "1 pair" if len(level.family.gaps) == 1 else f"{len(level.family.gaps)} pairs"
    smallest = f"{100 * smallest_difference(level.family):.2f} points"
    needed = [f"{100 * target:g} points take {_seeds(seeds_for(level.family, target))}" for target in TARGETS]
    return f"At {level.sparsity:g} ({level.seeds} seeds, {pairs}): {smallest}; {', '.join(needed)}."


def _seeds(count: int | None) -> str:
    return "more than 100000 seeds" if count is None else f"{count} seeds"


def unranked(table: Table) -> str:
    """Say why rows of a table are not ranked, a reason each with its methods; nothing if all are."""
    reasons: dict[str, list[str]] = {}
    for row in table.rows:
        if row.unranked:
            named = reasons.setdefault(row.unranked, [])
            named += [row.method] if row.method not in named else []
    told = [f"{', '.join(methods)}: {why}" for why, methods in reasons.items()]
    return f"Not ranked: {'; '.join(told)}." if told else ""


def answer(table: Table, level: Level) -> list[tuple[str, str]]:
    """Say which method to take at one sparsity, at what cost and how sure that is: pairs of name and words."""
    here = [row for row in table.rows if row.sparsity == level.sparsity]
    if not any(row.runs for row in here):
        return [("No seed is done", "see the failures below")]
    if not level.ranked:
        best = max((row for row in here if row.accuracy), key=lambda row: row.accuracy.mean if row.accuracy else 0.0)
        return [
            ("No method is ranked", "; ".join(sorted({row.unranked for row in here if row.unranked}))),
            ("Best mean of those", f"{best.method}: {wording.estimated(best)}; nothing is tested"),
        ]
    best = level.ranked[0]
    lines = [
        ("Best mean", f"{best.method}: {wording.estimated(best)}"),
        ("Its training FLOPs", f"{wording.times(best)} the dense run's"),
        ("Its rank", f"{best.place} of {len(level.ranked)}, with 95 % confidence"),
        ("No method is shown to be better than", _may_lead(level)),
    ]
    if level.family is not None:
        lines.append((f"Cheapest shown within {100 * MARGIN:g} points of each", cheapest(level)))
        lines.append(("Smallest difference it can show", f"{100 * smallest_difference(level.family):.2f} points"))
    if dense := levels.reference(table):
        lines.append(("Against dense", against(level, dense)))
    lines.append(("Made", f"{wording.mark(best)}, on {'; '.join(best.usage)}"))
    return lines


def _may_lead(level: Level) -> str:
    names = [row.method for row in level.ranked if row.place and row.place.may_lead]
    return ", ".join(names) + (": it leads alone" if len(names) == 1 < len(level.ranked) else "")


def cheapest(level: Level) -> str:
    """Name the cheapest of the rows that are shown to be less than `MARGIN` below every other of their level."""
    family = level.family
    assert family is not None
    priced = [
        (ratio, row)
        for number, row in enumerate(level.ranked)
        if (ratio := row.mean("cost", "train_flops_ratio")) and family.not_worse(number, MARGIN)
    ]
    if not priced:
        return f"none: {level.seeds} seeds do not show that of any"
    # `ranked` is in the order of the means, so of costs that read the same the better mean's is taken
    ratio, row = min(priced, key=lambda pair: float(f"{pair[0]:.3g}"))
    return f"{row.method}: {ratio:.3g}×, {wording.accuracy(row)}"


def against(level: Level, dense: Row) -> str:
    """Say how the best mean of a level compares with dense.

    It was picked by the same accuracies, so its own interval would be too narrow and its mean too high: the interval
    is one that holds for every row of the level at once, and the mean is that of rows picked on the other seeds.
    """
    gap = difference(level.ranked[0].accuracies, dense.accuracies, statements=len(level.ranked))
    if gap is None or gap.n < level.seeds:
        return "no seed in common" if gap is None else "dense lacks seeds"
    held_out = f"{100 * picked_on_other_seeds(level, dense):+.2f}".replace("-", "−")
    whichever = f", whichever of the {len(level.ranked)} leads" if len(level.ranked) > 1 else ""
    return (
        f"{between(gap)} (95 %{whichever}); {held_out} if picked on the other seeds. Dense: {wording.accuracy(dense)}"
    )


def picked_on_other_seeds(level: Level, dense: Row) -> float:
    """Return the mean difference to dense on each seed of the row that leads on all other seeds."""
    columns = [row.accuracies for row in level.ranked]
    gaps = []
    for seed in range(level.seeds):
        leader = max(columns, key=lambda column: sum(value for other, value in column.items() if other != seed))
        gaps.append(leader[seed] - dense.accuracies[seed])
    return sum(gaps) / len(gaps)


def between(value: Estimate) -> str:
    """Return the interval of a difference of accuracies in percentage points."""
    if value.half_width is None:
        return "no interval from one seed"
    low, high = value.mean - value.half_width, value.mean + value.half_width
    return f"{100 * low:+.2f} to {100 * high:+.2f} points".replace("-", "−")
