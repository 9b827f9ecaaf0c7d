"""Results in the project's documents: compact tables, written between two markers."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.board import aggregate, baselines, captions, controls, escape, findings, notes, wording
from harness.board.board import Board
from harness.board.markdown import grid
from harness.board.standing import words
from harness.board.tables import Row, Table
from harness.errors import UsageError
from harness.records import Record, record_name, write_atomic

NONE = "No results yet: `make bench` makes the first."


def contents(board: Board) -> dict[str, str]:
    """Return what documents show of a board, by the name of its markers."""
    return {"results": grids(board.tables), "standing": _ranks(board)}


def results_table(records: Iterable[Record]) -> str:
    """Return the compact tables of records: methods down, sparsities across, one grid per task and budget.

    Args:
        records: The records, of any status.
    """
    return grids(aggregate.tables({record_name(record): record for record in records}))


def grids(tables: Iterable[Table]) -> str:
    """Return the same for the tables of a board."""
    shown = [_grid(table) for table in tables if any(row.runs for row in table.rows)]
    return "\n\n".join(shown) or NONE


def _ranks(board: Board) -> str:
    """Return the standing without its matrix, or why there is none."""
    told = [escape.markdown(line) for line in words.about(board.standing) if line != words.MATRIX]
    figured = [grid(headers, rows) for headers, rows in words.grids(board.standing) if "rank" in headers]
    return "\n\n".join([*figured, *told]) if board.tables else NONE


def _grid(table: Table) -> str:
    levels = table.sparsities
    lines: dict[tuple[str, str], dict[float, Row]] = {}
    for row in table.rows:
        if row.runs or row.lost:
            lines.setdefault((row.method, row.runner), {})[row.sparsity] = row
    # best first, judged where most can be: at the sparsity with the most methods, the highest of these
    judged = max(levels, key=lambda level: (sum(level in line for line in lines.values()), level), default=0.0)

    def order(item: tuple[tuple[str, str], dict[float, Row]]) -> tuple[bool, bool, float, tuple[str, str]]:
        name, line = item
        row = line.get(judged)
        best = row.gain if row else None
        return (best is None, bool(row and row.unranked), 0.0 if best is None else -best, name)

    rows = []
    with_dense = any(0.0 in line for line in lines.values())
    for (method, runner), line in sorted(lines.items(), key=order):
        name = method if runner == "docker" else f"{method} (local)"
        # the dense reference has no sparsity, so it has a column of its own
        dense = [wording.score(line.get(0.0))] if with_dense else []
        sparse = [wording.ranked_score(line.get(level)) for level in levels]
        rows.append([name, *dense, *sparse, ", ".join(wording.times(line[level]) for level in sorted(line))])
    headers = ["method", *(["dense"] if with_dense else []), *(f"{level:g}" for level in levels), "training FLOPs"]
    below = [captions.made_on(table), findings.resolution(table), findings.unranked(table), findings.local(table)]
    below += [baselines.told(table), controls.told(table)]
    below += [notes.LOST] if any(row.lost for row in table.rows) else []
    below = [escape.markdown(line) for line in below if line]
    return "\n\n".join([f"**{escape.markdown(table.title)}**", grid(headers, rows), *below])


def update(path: Path | str, shown: Mapping[str, str]) -> bool:
    """Replace what stands between markers of a file, ``<!-- NAME:start -->`` and ``<!-- NAME:end -->``.

    Args:
        path: The file; it must hold at least one pair of markers.
        shown: What goes between them, by their names; those that the file lacks are left out.

    Returns:
        Whether the file changed.

    Raises:
        UsageError: The file has none of the markers, or the first of a pair alone.
    """
    old = new = Path(path).read_text(encoding="utf-8")
    found = False
    for name, text in shown.items():
        first, second = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
        before, start, rest = new.partition(first)
        _, end, after = rest.partition(second)
        if start and not end:
            raise UsageError(f"{path} has {first} and no {second} after it")
        if start:
            new, found = f"{before}{start}\n\n{text.strip()}\n\n{end}{after}", True
    if not found:
        raise UsageError(
            f"{path} has no {' or '.join(f'<!-- {name}:start -->' for name in shown)} to write results below"
        )
    if new != old:
        write_atomic(path, new)
    return new != old
