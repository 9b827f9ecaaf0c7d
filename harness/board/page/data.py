"""What the page knows: the board as plain values that become one JSON inside it."""

from typing import Any

from harness.board import captions, controls, deployed, findings, notes, pareto, published, reliability, units, wording
from harness.board.board import Board
from harness.board.levels import Level
from harness.board.page import looks, marks, plots
from harness.board.standing import words as standing
from harness.board.tables import Row, Table
from harness.records import Record, metrics
from harness.records.metrics import ACCURACY, Metric

# A curve keeps this many points; with thousands of runs fewer, so that the page stays light.
_POINTS, _FEWER_POINTS, _MANY_RUNS = 40, 16, 1500


def data(board: Board, records: str) -> dict[str, Any]:
    """Return everything that the page shows.

    Args:
        board: The board.
        records: The address of the folder of records, seen from the page.
    """
    rows = [(place, row) for place, table in enumerate(board.tables) for row in table.rows]
    runs = sum(len(row.runs) for _, row in rows)
    keep = _POINTS if runs <= _MANY_RUNS else _FEWER_POINTS
    styles = looks.give((row.method, row.name) for _, row in rows)
    return {
        "records": records,
        "counts": {
            "records": len(board.files),
            "done": runs,
            "tasks": len(board.tables),
            "methods": len({row.name for _, row in rows}),
            "failures": len(board.failures),
        },
        "styles": styles,
        "about": {row.method: looks.about(row.name) for _, row in rows},
        "shapes": looks.SHAPES,
        "ground": marks.GROUND,
        "specs": plots.page_specs(styles),
        "words": {"axis": marks.AXIS, "validation": marks.VALIDATION, "told": marks.TOLD},
        "metrics": len({table.metric for table in board.tables}),
        "tables": [_table(board, table) for table in board.tables],
        "rows": [point | {"table": place} for place, table in enumerate(board.tables) for point in points(table)],
        "curves": {row.files[seed]: _curve(run, keep) for _, row in rows for seed, run in row.runs.items()},
        "failures": [wording.failure_cells(name, record) for name, record in board.failures],
        "failureHeaders": wording.FAILURE_HEADERS,
        "problems": [list(problem) for problem in board.problems],
        "publishedOn": sorted({number.dataset for number in board.published}),
        "standing": {
            "about": standing.about(board.standing),
            "tables": [{"headers": headers, "rows": rows} for headers, rows in standing.grids(board.standing)],
        },
        "breakdownHeaders": findings.BREAKDOWN_HEADERS,
        "disturbedNote": notes.DISTURBED,
        "lostNote": notes.LOST,
        "reading": notes.reading(board.tables),
        "start": board.tables.index(fullest(board.tables)) if board.tables else 0,
    }


def fullest(tables: list[Table]) -> Table:
    """Return the table with the most runs that are done: the one to show first."""
    return max(tables, key=lambda table: sum(len(row.runs) for row in table.rows))


def points(table: Table) -> list[dict[str, Any]]:
    """Return the rows of a table, as the page's table and every plot take them."""
    front, often = pareto.of_table(table), pareto.often(table)
    return [_point(row, table.metric, id(row) in front, often.get(id(row))) for row in table.rows]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")


def _point(row: Row, metric: Metric, front: bool, often: float | None) -> dict[str, Any]:
    """Return one row; numbers are rounded to what a reader or a plot can use."""
    mean, half, _ = row.score or (None, None, 0)
    scale = metric.scale
    cells = wording.cells(row)
    level = f"{100 * row.sparsity:.4g} %"
    return {
        "kind": "ours",
        "method": row.method,
        "level": level,
        "label": f"{row.method} {level}" if row.sparsity else row.method,
        "sparsity": row.sparsity,
        "rank": row.place.first if row.place else None,
        "place": cells["rank"],
        "acc": None if mean is None else _rounded(scale * mean, 7),
        "low": None if mean is None or half is None else _rounded(scale * (mean - half), 7),
        "high": None if mean is None or half is None else _rounded(scale * (mean + half), 7),
        "told": cells["score"],
        "flops": _rounded(row.mean("cost", "train_flops_ratio"), 6),
        "trainFlops": cells["training FLOPs"],
        "inference": _rounded(row.mean("cost", "inference_flops_ratio"), 6),
        "inferenceFlops": cells["inference FLOPs"],
        "explored": _rounded(_percent(row.mean("metrics", "exploration_rate")), 4),
        "used": [
            [name, _rounded(usage.seconds, 5), usage.peak_memory_bytes, _rounded(usage.energy_joules, 5)]
            for name, usage in row.usage.items()
        ],
        "wallClock": cells["wall-clock"],
        "memory": cells["peak memory"],
        "energy": cells["energy"],
        "deployed": _deployed(row),
        "speedups": deployed.speedups(row),
        "speedup": next((_rounded(figure.speedup, 4) for figure in deployed.alone(row)), None),
        "packedBytes": deployed.packed(row),
        "packed": units.size(deployed.packed(row)),
        "hardware": cells["hardware"],
        "image": cells["image"],
        "commit": cells["commit"],
        "mark": wording.mark(row),
        "status": wording.statuses(row),
        "lost": row.lost,
        "unranked": row.unranked,
        "settings": ", ".join(f"{name}={value}" for name, value in sorted(row.settings.items())),
        "neurons": wording.neurons(row),
        "front": front,
        "often": _rounded(often, 2),
        "files": [[seed, row.files[seed]] for seed in row.files],
    }


def _deployed(row: Row) -> list[list[Any]]:
    """Return what was measured of a row's networks: on what, FLOPs, speed-up, latency, number of networks."""
    return [
        [
            f"batch {figure.batch}, {figure.on}",
            _rounded(figure.flops_ratio, 6),
            _rounded(figure.speedup, 4),
            units.latency(figure.seconds),
            figure.seeds,
        ]
        for figure in deployed.figures(row)
    ]


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _curve(run: Record, keep: int) -> list[list[float | None]]:
    """Return steps, results on the validation split and densities (%), thinned evenly with the ends kept."""
    curve, metric = run["curve"], metrics.of(run)
    values = [metrics.validation(point) for point in curve]
    if len(curve) > keep:
        kept = [round(i * (len(curve) - 1) / (keep - 1)) for i in range(keep)]
        curve, values = [curve[i] for i in kept], [values[i] for i in kept]
    return [
        [point["step"] for point in curve],
        [None if value is None else _rounded(metric.scale * value, max(4, metric.digits + 1)) for value in values],
        [_rounded(_percent(point["density"]), 4) for point in curve],
    ]


def _table(board: Board, table: Table) -> dict[str, Any]:
    near = published.beside(board.published, table)
    used = {name: usage.undisturbed for row in table.rows for name, usage in row.usage.items()}
    undisturbed, disturbed = (sorted(name for name in used if used[name] is alone) for alone in (True, False))
    return {
        "title": table.title,
        "metric": marks.axis_of(table),
        "protocol": captions.protocol(table),
        "hardware": undisturbed + disturbed,
        "disturbed": disturbed,
        "torch": captions.torch_versions(table),
        "measuredOn": sorted({on for row in table.rows for on, *_ in _deployed(row)}),
        "answers": [_answer(table, level, near) for level in table.levels if level.sparsity > 0],
        "resolution": findings.resolution(table),
        "unranked": findings.unranked(table),
        "local": findings.local(table),
        "controls": controls.told(table),
        "breakdown": findings.broken_down(table),
        "breakdownNote": notes.breakdown(table),
        "reliability": reliability.shown(board.reliability, table)._asdict(),
        "published": [wording.published_cells(number, table) for number in near],
        "publishedPoints": [
            {
                "kind": "published",
                "method": number.ours,
                "label": number.method,
                "sparsity": number.sparsity,
                "acc": number.top1,
                "flops": number.train_flops_x,
                "source": number.source,
                "protocol": number.protocol,
            }
            for number in near
        ],
    }


def _answer(table: Table, level: Level, near: list[published.Published]) -> dict[str, Any]:
    """Answer which method to take at one sparsity, with what the papers have for those that may lead."""
    lines = findings.answer(table, level)
    rows = [row for row in level.ranked if row.place and row.place.may_lead]
    compared = {(number.method, number.top1) for number in near if published.ours(number, table) in rows}
    unit = "%" if table.metric == ACCURACY else table.metric.label
    if compared:
        quoted = ", ".join(f"{method} {top1:g}" for method, top1 in sorted(compared))
        lines.append(("In the papers, under other protocols", f"{quoted} {unit}"))
    made = wording.mark(rows[0]) if rows else None
    return {"sparsity": level.sparsity, "level": f"{100 * level.sparsity:.4g} % sparse", "mark": made, "lines": lines}
