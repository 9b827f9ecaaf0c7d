"""What the page knows: the board as plain values that become one JSON inside it."""

from typing import Any

from harness.board import pareto, published, wording
from harness.board.board import Board
from harness.board.page import looks, marks, plots
from harness.board.statistics import difference
from harness.board.tables import Row, Table
from harness.records import Record

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
        "tables": [_table(board, table) for table in board.tables],
        "rows": [point | {"table": place} for place, table in enumerate(board.tables) for point in points(table)],
        "curves": {row.files[seed]: _curve(run, keep) for _, row in rows for seed, run in row.runs.items()},
        "failures": [wording.failure_cells(name, record) for name, record in board.failures],
        "failureHeaders": wording.FAILURE_HEADERS,
        "problems": [list(problem) for problem in board.problems],
        "publishedOn": sorted({number.dataset for number in board.published}),
        "disturbedNote": wording.DISTURBED,
        "lostNote": wording.LOST,
        "reading": wording.READING,
        "start": board.tables.index(fullest(board.tables)) if board.tables else 0,
    }


def fullest(tables: list[Table]) -> Table:
    """Return the table with the most runs that are done: the one to show first."""
    return max(tables, key=lambda table: sum(len(row.runs) for row in table.rows))


def points(table: Table) -> list[dict[str, Any]]:
    """Return the rows of a table, as the page's table and every plot take them."""
    front = _on_front(table)
    return [_point(row, id(row) in front) for row in table.rows]


def _on_front(table: Table) -> set[int]:
    """Return the ids of a table's rows on its front of mean accuracy and mean training FLOPs."""
    known = [
        (row, ratio, row.accuracy.mean)
        for row in table.rows
        if row.accuracy and (ratio := row.mean("cost", "train_flops_ratio"))
    ]
    marks = pareto.front([(ratio, mean) for _, ratio, mean in known])
    return {id(row) for (row, _, _), mark in zip(known, marks, strict=True) if mark}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")


def _point(row: Row, front: bool) -> dict[str, Any]:
    """Return one row; numbers are rounded to what a reader or a plot can use."""
    mean, half, _ = row.accuracy or (None, None, 0)
    cells = wording.cells(row)
    level = f"{100 * row.sparsity:.4g} %"
    return {
        "kind": "ours",
        "method": row.method,
        "level": level,
        "label": f"{row.method} {level}" if row.sparsity else row.method,
        "sparsity": row.sparsity,
        "rank": row.place.rank if row.place else None,
        "place": cells["rank"],
        "acc": _rounded(_percent(mean), 7),
        "low": None if mean is None or half is None else _rounded(100 * (mean - half), 7),
        "high": None if mean is None or half is None else _rounded(100 * (mean + half), 7),
        "told": cells["top-1"],
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
        "hardware": cells["hardware"],
        "image": cells["image"],
        "commit": cells["commit"],
        "mark": wording.mark(row),
        "status": wording.statuses(row),
        "lost": row.lost,
        "settings": ", ".join(f"{name}={value}" for name, value in sorted(row.settings.items())),
        "front": front,
        "files": [[seed, row.files[seed]] for seed in row.files],
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _curve(run: Record, keep: int) -> list[list[float | None]]:
    """Return steps, validation accuracies (%) and densities (%), thinned evenly with the ends kept."""
    curve = run["curve"]
    if len(curve) > keep:
        curve = [curve[round(i * (len(curve) - 1) / (keep - 1))] for i in range(keep)]
    return [
        [point["step"] for point in curve],
        [_rounded(_percent(point["val_accuracy"]), 4) for point in curve],
        [_rounded(_percent(point["density"]), 4) for point in curve],
    ]


def _table(board: Board, table: Table) -> dict[str, Any]:
    near = published.beside(board.published, table)
    used = {name: usage.undisturbed for row in table.rows for name, usage in row.usage.items()}
    undisturbed, disturbed = (sorted(name for name in used if used[name] is alone) for alone in (True, False))
    return {
        "title": table.title,
        "protocol": wording.protocol(table),
        "hardware": undisturbed + disturbed,
        "disturbed": disturbed,
        "torch": wording.torch_versions(table),
        "answers": [_answer(table, level, near) for level in table.sparsities],
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


def _answer(table: Table, level: float, near: list[published.Published]) -> dict[str, Any]:
    """Say which method to take at one sparsity, at what cost and how sure that is: pairs of name and words."""
    rows = [row for row in table.rows if row.sparsity == level and row.place]
    first = [row for row in rows if row.place and not row.place.beaten]
    lines = _leaders(table, first) if first else [("No seed is done", "see the failures below")]
    compared = {(number.method, number.top1) for number in near if published.ours(number, table) in rows}
    if compared:
        quoted = ", ".join(f"{method} {top1:g}" for method, top1 in sorted(compared))
        lines.append(("In the papers, under other protocols", f"{quoted} %"))
    made = wording.mark(first[0]) if first else None
    return {"sparsity": level, "level": f"{100 * level:.4g} % sparse", "mark": made, "lines": lines}


def _leaders(table: Table, first: list[Row]) -> list[tuple[str, str]]:
    """Describe the methods that are not separated from the best mean, which comes first."""
    best = first[0]
    assert best.accuracy is not None  # it has a place
    tied = ", ".join(row.method for row in first[1:]) or "none: it leads alone"
    if best.accuracy.n == 1 and len(first) > 1:
        tied += " (from one seed nothing can be told apart)"
    lines = [
        ("Best mean", f"{best.method}: {wording.estimated(best)}"),
        ("Its training FLOPs", f"{wording.times(best)} the dense run's"),
        ("Not shown to differ (paired t, Holm)", tied),
    ]
    priced = [(ratio, row) for row in first if (ratio := row.mean("cost", "train_flops_ratio"))]
    if len(priced) > 1:
        # `first` is in the order of the means, so of costs that read the same the better mean's is taken
        ratio, cheapest = min(priced, key=lambda pair: float(f"{pair[0]:.3g}"))
        lines.append(("Cheapest of these", f"{cheapest.method}: {ratio:.3g}×, {wording.accuracy(cheapest)}"))
    dense = next((row for row in table.rows if row.sparsity == 0 and row.accuracy), None)
    if dense and dense.accuracy:
        gap = difference(best.accuracies, dense.accuracies)
        paired = wording.points(gap) if gap else "no seed in common"
        lines.append(("Against dense", f"{paired} ({wording.accuracy(dense)})"))
    lines.append(("Made", f"{wording.mark(best)}, on {'; '.join(best.usage)}"))
    return lines
