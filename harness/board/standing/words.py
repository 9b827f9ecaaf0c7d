"""The standing as CSV, and in words and cells for the other views."""

import csv
import io

from harness.board import escape, units
from harness.board.standing.compute import FACTORS, Figures, Line, Standing
from harness.board.wording import yes_no

NONE = (
    "None of the records here is of a cell that is declared. `standing.yaml` next to the folder of records declares "
    "others (docs/standing.md)."
)


def csv_text(standing: Standing | None) -> str:
    """Return the standing as CSV: a line per submitted method, and three columns per placed method for the matrix."""
    others = [line.method for line in standing.placed] if standing else []
    names = ["version", "tasks", "cells", "method", "cells_with_results", "placed", "not_placed_because", "wins"]
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
    cells = [str(declared.version), str(declared.tasks), str(len(declared.cells)), line.method, str(line.cells)]
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
