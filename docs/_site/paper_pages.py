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
        claims = sum(line.claim for line in paper.lines)
        numbers = [str(count) if count else "" for count in (len(paper.lines) - claims, claims)]
        rows.append([f"`{paper.name}`", paper.title, paper.table, *numbers, orders])
    return table(["suite", "paper", "table", "published rows", "claims", "orderings"], rows)
