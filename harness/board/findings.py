"""What the tests of a level say, and what they cannot say, in words."""

import math

from harness.board import apart, baselines, breakdown, levels, units, wording
from harness.board.levels import Level
from harness.board.resolution import TARGETS, seeds_for, smallest_difference
from harness.board.statistics import LEVEL, Estimate, difference
from harness.board.tables import Row, Table
from harness.records.metrics import ACCURACY, Metric

MARGIN = 0.005
"""A row worse than another by less than this, of what is whole, is as good for the question which is cheaper."""


def resolution(table: Table) -> str:
    """Say what each level of a table can show; nothing for a table that tests nothing."""
    told = [_resolution(level, table.metric) for level in table.levels if level.family is not None]
    return " ".join(["What this can show, with 80 % power.", *told]) if told else ""


def _resolution(level: Level, metric: Metric) -> str:
    assert level.family is not None
    family = level.family
    pairs = "1 pair" if family.tested == 1 else f"{family.tested} pairs"
    tested = ", ".join([f"{family.seeds} seeds", pairs, *([str(level.look)] if level.look else [])])
    smallest = _smallest(level, metric)
    most = max(family.spending, default=100_000)
    needed = [
        f"{points(target, level, metric)} take {f'more than {most} seeds' if seeds is None else f'{seeds} seeds'}"
        for target in TARGETS
        for seeds in [seeds_for(family, target * family.whole)]
    ]
    return f"At {level.sparsity:g} ({tested}): {smallest}; {', '.join(needed)}."


def _smallest(level: Level, metric: Metric) -> str:
    """Return the smallest difference that a level can show, in words; shares cannot differ by more than 1."""
    assert level.family is not None
    found = smallest_difference(level.family)
    bound = "more than " if metric.share and found > 1 else ""
    return f"{bound}{metric.shown(1.0 if bound else found)} {metric.unit}"


def points(size: float, level: Level, metric: Metric) -> str:
    """Return so much of what is whole in words: ``0.5 points``; of a metric that is no share in its own unit."""
    whole = level.family.whole if level.family else 1.0
    return f"{100 * size:g} points" if metric.unit == "points" else f"{metric.shown(size * whole)} {metric.unit}"


def local(table: Table) -> str:
    """Say how each local row stands to the leader of its level, or that all rows are local; nothing without any."""
    if table.local and any(row.place for row in table.rows):
        return "No method has a result from a container: local rows are ranked among themselves, and none is verified."
    told = apart.told(table)
    return f"Made outside of a container, and tested apart: {'; '.join(told)}." if told else ""


BREAKDOWN_HEADERS = ["method", "holds up to", "breaks from", "training FLOPs"]
"""The columns of the table of breakdown."""


def broken_down(table: Table) -> list[list[str]]:
    """Return what is shown of each method against dense, by the columns of `BREAKDOWN_HEADERS`."""

    def at(sparsity: float | None) -> str:
        return "not shown" if sparsity is None else f"{sparsity:g}"

    return [
        [
            each.method,
            at(each.holds),
            at(each.breaks),
            "not shown" if each.train_flops_ratio is None else units.ratio(each.train_flops_ratio),
        ]
        for each in breakdown.of_table(table)
    ]


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
        best = max((row for row in here if row.runs), key=lambda row: row.gain or 0.0)
        return [
            ("No method is ranked", "; ".join(sorted({row.unranked for row in here if row.unranked}))),
            ("Best mean of those", f"{best.method}: {wording.estimated(best)}; nothing is tested"),
        ]
    best = level.ranked[0]
    lines = [
        ("Best mean", f"{best.method}: {wording.estimated(best)}"),
        ("Its training FLOPs", f"{wording.times(best)} the dense run's"),
        (
            "Its rank",
            f"{best.place} of {len(level.ranked)}, with 95 % confidence{f', {level.look}' if level.look else ''}",
        ),
        ("No method is shown to be better than", _may_lead(level)),
    ]
    if level.family is not None:
        lines.append((f"Cheapest shown within {points(MARGIN, level, table.metric)} of each", cheapest(level)))
        lines.append(("Smallest difference it can show", _smallest(level, table.metric)))
    if dense := levels.reference(table):
        lines.append(("Against dense", against(level, dense)))
    lines += [(f"Against {name}", words) for name, words in baselines.of_level(table, level)]
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
        if (ratio := row.mean("cost", "train_flops_ratio")) and family.not_worse(number, MARGIN * family.whole)
    ]
    if not priced:
        return f"none: {level.seeds} seeds do not show that of any"
    # `ranked` is in the order of the means, so of costs that read the same the better mean's is taken
    ratio, row = min(priced, key=lambda pair: float(f"{pair[0]:.3g}"))
    return f"{row.method}: {ratio:.3g}×, {wording.score(row)}"


def against(level: Level, dense: Row) -> str:
    """Say how the best mean of a level compares with dense.

    It was picked by the same results, so its own interval would be too narrow and its mean too high: the interval
    is one that holds for every row of the level at once, and the mean is that of rows picked on the other seeds.
    """
    statements = math.ceil(len(level.ranked) * LEVEL / level.error)
    seeds = range(level.seeds)
    leader = {seed: value for seed, value in level.ranked[0].scores.items() if seed in seeds}
    gap, metric = difference(leader, dense.scores, statements=statements), dense.metric
    if gap is None or gap.n < level.seeds:
        return "no seed in common" if gap is None else "dense lacks seeds"
    held_out = metric.signed(metric.gain(picked_on_other_seeds(level, dense)))
    whichever = f", whichever of the {len(level.ranked)} leads" if len(level.ranked) > 1 else ""
    told = between(gap, metric)
    return f"{told} (95 %{whichever}); {held_out} if picked on the other seeds. Dense: {wording.score(dense)}"


def picked_on_other_seeds(level: Level, dense: Row) -> float:
    """Return the mean gain over dense on each seed of the row that leads on all other seeds."""
    # under a plan some rows have more seeds than others
    columns = [{seed: gains[seed] for seed in range(level.seeds)} for gains in (row.gains for row in level.ranked)]
    reference = dense.gains
    gaps = []
    for seed in range(level.seeds):
        leader = max(columns, key=lambda column: sum(value for other, value in column.items() if other != seed))
        gaps.append(leader[seed] - reference[seed])
    return sum(gaps) / len(gaps)


def between(value: Estimate, metric: Metric = ACCURACY) -> str:
    """Return the interval of a difference of values with its unit: for accuracies, percentage points."""
    if value.half_width is None:
        return "no interval from one seed"
    low, high = value.mean - value.half_width, value.mean + value.half_width
    return f"{metric.signed(low)} to {metric.signed(high)} {metric.unit}"
