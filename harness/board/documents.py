"""README's results: a compact grid per task and budget, written between two markers."""

from collections.abc import Iterable
from pathlib import Path

from harness.board import aggregate, baselines, captions, controls, escape, findings, notes, wording
from harness.board.markdown import grid
from harness.board.tables import Row, Table
from harness.errors import UsageError
from harness.records import Record, record_name, write_atomic

START, END = "<!-- results:start -->", "<!-- results:end -->"


def readme_table(records: Iterable[Record]) -> str:
    """Return the table that README shows: methods down, sparsities across, one grid per task and budget.

    Args:
        records: The records, of any status.
    """
    return grids(aggregate.tables({record_name(record): record for record in records}))


def grids(tables: Iterable[Table]) -> str:
    """Return the same for the tables of a board."""
    shown = [_grid(table) for table in tables if any(row.runs for row in table.rows)]
    return "\n\n".join(shown) or "No results yet: `make bench` makes the first."


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


def update_readme(path: Path | str, text: str, markers: tuple[str, str] = (START, END)) -> bool:
    """Replace what stands between two markers of a file.

    Args:
        path: The README; it must hold both markers, ``<!-- results:start -->`` and ``<!-- results:end -->`` by default.
        text: What goes between them.
        markers: The first and the second.

    Returns:
        Whether the file changed.

    Raises:
        UsageError: The markers are missing.
    """
    old = Path(path).read_text(encoding="utf-8")
    before, start, rest = old.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not (start and end):
        raise UsageError(f"{path} has no {markers[0]} … {markers[1]} to write results between")
    new = f"{before}{start}\n\n{text.strip()}\n\n{end}{after}"
    if new != old:
        write_atomic(path, new)
    return new != old
