"""Controls of pruning before training: rows with shuffled masks or new weights against the method's own.

Su et al. (2020) and Frankle et al. (2021, section 5) shuffle the masks within each layer, or draw the weights anew once
the masks are set. If the result stays the same, the method has found no more than densities of layers.

Such rows are variants of their method, which are not ranked. Each is compared with the row that has the same settings
but for these two, by the paired t-test of `harness.board.pairs` on the seeds that the level requires. Holm's correction
is over all such tests of a table; the intervals of all of them hold together with 95 % confidence.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.board import eligible, grouping
from harness.board.pairs import Family, compare, holm
from harness.board.scale import Scale, scale_of
from harness.board.statistics import LEVEL, t_quantile
from harness.board.tables import Row, Table, result

OFF: dict[str, Any] = {"shuffle": "none", "reinit": False}
"""The settings that make a row a control, with their values in the method's own row."""


@dataclass(frozen=True)
class Control:
    """A row with shuffled masks or new weights, against the method's own row.

    Attributes:
        row: The control.
        own: The row of the same settings but for `OFF`; None where it was not run.
        change: Mean gain of the control minus that of the own row; None if it is not tested.
        half_width: Half the interval of the change that holds for all controls of the table together.
        p: The p-value of "it changes nothing", Holm-adjusted over all controls of the table.
        why_not: Why it is not tested, in words; empty if it is.
    """

    row: Row
    own: Row | None
    change: float | None = None
    half_width: float | None = None
    p: float | None = None
    why_not: str = ""


def of_table(table: Table) -> list[Control]:
    """Test every control of a table that is not tested apart, by sparsity and method."""
    rows = [row for row in table.rows if not row.apart and row.sparsity > 0 and OFF.keys() <= row.settings.keys()]
    pairs = [(row, _own(row, rows)) for row in rows if _is_one(row)]
    pairs.sort(key=lambda pair: (pair[0].sparsity, pair[0].method))
    reasons = [_why_not(row, own) for row, own in pairs]
    families = {
        number: _compared(row, own, scale_of(table))
        for number, ((row, own), reason) in enumerate(zip(pairs, reasons, strict=True))
        if own is not None and not reason
    }
    adjusted = dict(zip(families, holm([family.p[0, 1] for family in families.values()]), strict=True))
    found = []
    for number, ((row, own), reason) in enumerate(zip(pairs, reasons, strict=True)):
        if number not in families:
            found.append(Control(row, own, why_not=reason))
            continue
        family = families[number]
        quantile = t_quantile(family.degrees[0, 1], LEVEL / (2 * len(families)))
        half_width = quantile * family.errors[0, 1]
        found.append(Control(row, own, family.gaps[0, 1], half_width, adjusted[number]))
    return found


def _is_one(row: Row) -> bool:
    shuffle, reinit = row.settings["shuffle"], row.settings["reinit"]
    return (shuffle == "layerwise" or (shuffle == "none" and reinit is True)) and bool(row.runs or row.failed)


def _own(row: Row, rows: Iterable[Row]) -> Row | None:
    wanted = row.settings | OFF
    return next(
        (
            other
            for other in rows
            if other.name == row.name and other.sparsity == row.sparsity and other.settings == wanted
        ),
        None,
    )


def _why_not(row: Row, own: Row | None) -> str:
    if own is None:
        return "the method was not run without it"
    for each, whose in ((row, ""), (own, "of the method's own row, ")):
        if each.failed:
            return whose + eligible.failures(each)
        if lacking := eligible.lacks(each):
            return whose + lacking
    alike = set(grouping.ways(row.example)) & set(grouping.ways(own.example))
    return "" if alike else "made with other code, data or image"


def _compared(row: Row, own: Row, scale: Scale) -> Family:
    # under a plan the own row may have more seeds, whose number follows from what they show
    seeds = range(min(row.required, own.required))
    return compare([[row.metric.gain(result(each.runs[seed])) for seed in seeds] for each in (row, own)], *scale)


def told(table: Table) -> str:
    """Say of each control whether it is shown to change the result; nothing without any.

    For example ``At 0.9, shuffling the masks of snip within layers is not shown to change accuracy (−0.12 points, −0.80
    to +0.56)``.
    """
    controls = of_table(table)
    if not controls:
        return ""
    tests = sum(control.p is not None for control in controls)
    how = "; a paired t-test, with a 95 % interval" if tests == 1 else ""
    if tests > 1:
        how = f"; paired t-tests with Holm's correction over all {tests}, and intervals that hold together with 95 %"
        how += " confidence"
    lines = []
    for sparsity in dict.fromkeys(control.row.sparsity for control in controls):
        here = [_words(control) for control in controls if control.row.sparsity == sparsity]
        lines.append(f"At {sparsity:g}, {'; '.join(here)}.")
    return f"Controls of pruning before training (Su et al. 2020, Frankle et al. 2021{how}). {' '.join(lines)}"


def _words(control: Control) -> str:
    done = _what_was_done(control)
    if control.change is None or control.half_width is None or control.p is None:
        return f"{done} is not tested: {control.why_not}"
    metric = control.row.metric
    change = metric.gain(control.change)  # of the values themselves
    verdict = "not shown to change" if control.p > LEVEL else f"shown to {'raise' if change > 0 else 'lower'}"
    low, high = (metric.signed(change + side * control.half_width) for side in (-1, 1))
    return f"{done} is {verdict} {metric.noun} ({metric.signed(change)} {metric.unit}, {low} to {high})"


def _what_was_done(control: Control) -> str:
    row, own = control.row, control.own
    # the settings in the name on the board tell it from its own controls alone, unless another row is the method's
    name = row.name if own is None or own.place else own.method
    shuffled, drawn = (row.settings[setting] != off for setting, off in OFF.items())
    if not shuffled:
        return f"drawing the weights of {name} anew"
    return f"shuffling the masks of {name} within layers" + (" and drawing its weights anew" if drawn else "")
