"""The board as CSV: one line per row, numbers unrounded."""

import csv
import io
import json
from typing import Any

from harness.board import escape, published, units, wording
from harness.board.board import Board
from harness.board.tables import Row, Table


def csv_text(board: Board) -> str:
    """Return the board as CSV. Text that a spreadsheet would run as a formula is escaped."""
    example = Row("", "", {}, 0.0, "", "", {}, {}, {}, 0)
    names = list(_cells(board, Table("", "", "", "", 0, 1, "shared", {}), example))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for table in board.tables:
        for row in table.rows:
            writer.writerow([escape.csv(str(cell)) for cell in _cells(board, table, row).values()])
    return text.getvalue()


def _cells(board: Board, table: Table, row: Row) -> dict[str, Any]:
    accuracy, usage = row.accuracy, row.usage
    alone = next(iter(usage.values())) if len(usage) == 1 else None  # more than one machine has no common mean
    near = published.beside(board.published, table)
    theirs = [number for number in near if published.ours(number, table) is row]
    return {
        "dataset": table.dataset,
        "model": table.model,
        "recipe": table.recipe,
        "budget_kind": table.kind,
        "budget_amount": f"{table.amount:g}",
        "budget_stretch": f"{table.stretch:g}",
        "budget_rounds": table.rounds,
        "sparsity": f"{row.sparsity:g}",
        "rank": str(row.place.rank) if row.place else "",
        "tied": wording.yes_no(row.place.shared) if row.place else "",
        "method": row.method,
        "settings": json.dumps(row.settings, sort_keys=True),
        "top1_mean": units.exact(accuracy and accuracy.mean),
        "top1_ci95_half_width": units.exact(accuracy and accuracy.half_width),
        "seeds": accuracy.n if accuracy else 0,
        "train_flops": units.exact(row.mean("cost", "train_flops")),
        "train_flops_x_dense": units.exact(row.mean("cost", "train_flops_ratio")),
        "inference_flops": units.exact(row.mean("cost", "inference_flops")),
        "inference_flops_x_dense": units.exact(row.mean("cost", "inference_flops_ratio")),
        "exploration_rate": units.exact(row.mean("metrics", "exploration_rate")),
        "wall_clock_seconds": units.exact(alone and alone.seconds),
        "peak_memory_bytes": units.exact(alone and alone.peak_memory_bytes),
        "energy_joules": units.exact(alone and alone.energy_joules),
        "hardware": "; ".join(usage),
        "image": "; ".join(row.provenance("image_id")),
        "commit": "; ".join(wording.commits(row, short=False)),
        "verified": wording.yes_no(row.runner == "docker"),
        "status": wording.statuses(row),
        "superseded": row.superseded,
        "published_top1": "; ".join(f"{number.top1 / 100:g}" for number in theirs),
        "published_difference": " | ".join(published.difference(number, table, row) for number in theirs),
        "records": " ".join(row.files.values()),
    }
