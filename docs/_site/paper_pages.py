"""The tables of papers that can be reproduced, from their suites."""

from __future__ import annotations

from docstrings import table

from harness.plan import grid
from harness.reproduce import read


def papers() -> str:
    """Return the papers, a line each."""
    rows = []
    for paper in map(read, grid.papers()):
        orders = str(len(paper.orderings)) if paper.orderings else ""
        rows.append([f"`{paper.name}`", paper.title, paper.table, str(len(paper.lines)), orders])
    return table(["suite", "paper", "table", "published rows", "orderings"], rows)
