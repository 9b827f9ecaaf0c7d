"""The board as Markdown: tables, published numbers alongside, failures, files left off."""

from tabulate import tabulate

from harness.board import (
    baselines,
    captions,
    controls,
    deployed,
    escape,
    findings,
    notes,
    published,
    reliability,
    wording,
)
from harness.board.board import Board
from harness.board.standing import words as standing
from harness.board.tables import Table


def markdown(board: Board) -> str:
    """Return the board as Markdown."""
    reading = "\n".join(f"- {point}" for point in notes.reading(board.tables))
    parts = ["# Leaderboard", "Written from `records/*.json` by `make leaderboard`; do not edit.", reading]
    if not board.tables:
        parts.append("No records yet. `make bench` makes the first.")
    parts += [_section(board, table) for table in board.tables]
    if board.tables:
        parts += _standing(board)
    parts.append("## Runs that failed")
    failures = [wording.failure_cells(name, record) for name, record in board.failures]
    parts.append(grid(wording.FAILURE_HEADERS, failures) if failures else "None.")
    if board.problems:
        parts += ["## Files left off", grid(["file", "why"], [list(problem) for problem in board.problems])]
    return "\n\n".join(parts) + "\n"


def _section(board: Board, table: Table) -> str:
    rows = [list(wording.cells(row).values()) for row in table.rows]
    title, protocol = escape.markdown(table.title), escape.markdown(captions.protocol(table))
    parts = [f"## {title}", protocol, grid(wording.headers(table.metric), rows)]
    below = (findings.resolution(table), findings.local(table), baselines.told(table), controls.told(table))
    parts += [escape.markdown(told) for told in below if told]
    if broken := findings.broken_down(table):
        parts += [escape.markdown(notes.breakdown(table)), grid(findings.BREAKDOWN_HEADERS, broken)]
    if (known := reliability.shown(board.reliability, table)).rows:
        parts += [known.note, grid(known.headers, known.rows)]
    if measured := deployed.rows(table):
        parts += [deployed.NOTE, grid(deployed.HEADERS, measured)]
    if any(not usage.undisturbed for row in table.rows for usage in row.usage.values()):
        parts.append(notes.DISTURBED)
    if any(row.lost for row in table.rows):
        parts.append(notes.LOST)
    if theirs := published.beside(board.published, table):
        headers = [
            "method",
            "sparsity",
            f"published {table.metric.label}",
            "training FLOPs",
            "ours",
            "difference",
            "source",
        ]
        cells = [wording.published_cells(number, table) for number in theirs]
        parts += ["Published, under another protocol and so never ranked:", grid(headers, cells)]
    return "\n\n".join(parts)


def _standing(board: Board) -> list[str]:
    parts = ["## Standing over tasks", *map(escape.markdown, standing.about(board.standing))]
    return parts + [grid(headers, rows) for headers, rows in standing.grids(board.standing)]


def grid(headers: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table.

    Args:
        headers: The names of the columns.
        rows: The cells; each is escaped, as headers are, unless it is `escape.Markdown`.
    """
    safe = [[escape.markdown(cell) for cell in row] for row in rows]
    return tabulate(safe, [escape.markdown(name) for name in headers], tablefmt="pipe", disable_numparse=True)
