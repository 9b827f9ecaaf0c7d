"""The standing as CSV, and in words and cells for the other views."""

import csv
import io

from harness.board import escape, units
from harness.board.ranks import Place
from harness.board.standing.compute import FACTORS, FEWEST_TASKS, Figures, Line, Standing
from harness.board.wording import yes_no
from harness.records.metrics import ACCURACY

NONE = (
    "No record here is of a cell that is declared; a standing.yaml next to the folder of records declares others "
    "(docs/standing.md)."
)
"""What stands in place of a standing."""


def about(standing: Standing | None) -> list[str]:
    """Say what the tables of a standing are, and whom they leave out."""
    if standing is None:
        return [NONE]
    declared, placed = standing.declared, standing.placed
    cells = f"{_count(len(declared.cells), 'cell')} of {_count(declared.tasks, 'task')}, {declared.ruleset}"
    lines = [f"Version {declared.version} of the cells: {cells}; {standing.found} with records here."]
    if standing.local:
        lines.append(
            f"Local, as the table ranks rows made outside of a container: {', '.join(sorted(standing.local))}."
        )
    few = declared.tasks < FEWEST_TASKS
    if few:
        lines.append(
            f"With fewer than {FEWEST_TASKS} tasks no standing is computed: too few tasks to generalise, and the "
            "sparsities of one task are not independent."
        )
    if len(placed) > 1:
        lines += [] if few else [FIGURES]
        lines.append(MATRIX)
    else:
        lines.append("No two methods have a result in every cell, so nothing is compared.")
    if standing.metrics - {ACCURACY}:
        lines.append(OTHERS)
    if labels := ", ".join(sorted(metric.label for metric in standing.boundless)):
        lines.append(f"Tables of {labels} fill no cell: nothing says how far from the best such a result is.")
    lacking = [f"{line.method}: {line.why}" for line in standing.lines if line.why]
    return lines + ([f"Not placed: {'; '.join(lacking)}."] if lacking else [])


FIGURES = (
    "Improvability is the share of its error that the best method of each cell does without, on average. The profile "
    "is the share of cells in which a method's error is at most 1.1 times the least, the area its mean over factors "
    "from 1 to 2. Intervals are of redrawn tasks and seeds, each with 95 % confidence by itself."
)
"""How to read the table of figures."""

MATRIX = (
    "Who wins where: the share of the cells, each task weighing the same, in which the method of the line has the "
    "lower mean error than that of the column; in brackets, in how many cells the tests show it to be better, and "
    "worse. A run that failed counts as guessing. Wins is the mean of a line, and no rank."
)
"""How to read the matrix."""

OTHERS = (
    "The error of a result that is no accuracy is how far it is from the best that its metric allows; where lower is "
    "better, that is 0 unless the metric says otherwise. A failed run counts as a uniform guess of every byte, or as "
    "the worst run of its table (docs/standing.md)."
)
"""What is said where there are tasks other than classification."""

Grid = tuple[list[str], list[list[str]]]


def grids(standing: Standing | None) -> list[Grid]:
    """Return the tables of a standing, each as headers and rows."""
    if standing is None or len(standing.placed) < 2:
        return []
    placed = standing.placed
    matrix = [[line.method, f"{line.wins:.2f}", *(_pair(standing, line, other) for other in placed)] for line in placed]
    found = [(["method", "wins", *(line.method for line in placed)], matrix)]
    headers = ["rank", "method", "improvability", "95 % interval", "profile at 1.1", "area"]
    rows = [_figured(line.method, line.figures) for line in placed if line.figures]
    return [(headers, rows), *found] if rows else found


def _figured(method: str, figures: Figures) -> list[str]:
    low, high, first, last = figures.interval
    shares = f"{100 * figures.improvability:.1f} %", f"{100 * low:.1f} to {100 * high:.1f} %"
    profile = figures.profile[FACTORS.index(1.1)]
    return [str(Place(first, last)), method, *shares, f"{profile:.2f}", f"{figures.area:.2f}"]


def _pair(standing: Standing, line: Line, other: Line) -> str:
    if line is other:
        return "–"
    pair = (line.method, other.method)
    return f"{standing.wins[pair]:.2f} ({standing.shown[pair]}:{standing.shown[pair[::-1]]})"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def csv_text(standing: Standing | None) -> str:
    """Return the standing as CSV: a line per submitted method, and three columns per placed method for the matrix."""
    others = [line.method for line in standing.placed] if standing else []
    names = [
        "version",
        "tasks",
        "local_tasks",
        "cells",
        "method",
        "cells_with_results",
        "placed",
        "not_placed_because",
        "wins",
    ]
    names += ["improvability", "improvability_low", "improvability_high", "rank_first", "rank_last"]
    names += ["area", *(f"profile_{factor:g}" for factor in FACTORS)]
    names += [f"{what} {other}" for other in others for what in ("wins_over", "shown_better_than", "shown_worse_than")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(escape.csv(name) for name in names)
    if standing is not None:
        writer.writerows([escape.csv(cell) for cell in _cells(standing, line)] for line in standing.lines)
    return text.getvalue()


def _cells(standing: Standing, line: Line) -> list[str]:
    declared = standing.declared
    cells = [str(declared.version), str(declared.tasks), ", ".join(sorted(standing.local)), str(len(declared.cells))]
    cells += [line.method, str(line.cells)]
    cells += [yes_no(not line.why), line.why, units.exact(line.wins), *_figures(line.figures)]
    for other in standing.placed:
        pair = (line.method, other.method)
        if pair in standing.wins:
            cells += [units.exact(standing.wins[pair]), str(standing.shown[pair]), str(standing.shown[pair[::-1]])]
        else:
            cells += [""] * 3
    return cells


def _figures(figures: Figures | None) -> list[str]:
    if figures is None:
        return [""] * (6 + len(FACTORS))
    low, high, first, last = figures.interval
    return [
        units.exact(part) for part in (figures.improvability, low, high, first, last, figures.area, *figures.profile)
    ]
