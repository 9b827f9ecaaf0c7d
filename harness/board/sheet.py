"""The board as CSV: one line per row, numbers unrounded."""

import csv
import io
import json
from typing import Any

from harness.board import escape, published, resolution, units, wording
from harness.board.board import Board
from harness.board.tables import Row, Table


def csv_text(board: Board) -> str:
    """Return the board as CSV. Text that a spreadsheet would run as a formula is escaped."""
    example = Row("", "", {}, 0.0, "", "", {}, {}, {}, {}, {}, 0, {})
    names = list(_cells(board, Table("", "", "", "", 0, 1, "shared", "", {}), example))
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
        "device": table.device,
        "sparsity": f"{row.sparsity:g}",
        **_standing(table, row),
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
        "failed_since": ", ".join(f"{count} {status}" for status, count in row.newer.items()),
        "superseded": row.superseded,
        "published_top1": "; ".join(f"{number.top1 / 100:g}" for number in theirs),
        "published_difference": " | ".join(published.difference(number, table, row) for number in theirs),
        "records": " ".join(row.files.values()),
    }


def _standing(table: Table, row: Row) -> dict[str, Any]:
    """Return what the tests say of a row, and what they could have said; empty where it is not ranked."""
    found: dict[str, Any] = dict.fromkeys(
        ("rank_first", "rank_last", "not_ranked_because", "shown_better", "shown_worse", "best_mean"), ""
    )
    found |= dict.fromkeys(("below_best", "p_to_best", "smallest_difference"), "")
    found |= dict.fromkeys((_seeds_column(target) for target in resolution.TARGETS), "")
    if row.place is None:
        return found | {"not_ranked_because": row.unranked}
    level = next(level for level in table.levels if level.sparsity == row.sparsity)
    found |= {"rank_first": row.place.first, "rank_last": row.place.last, "best_mean": level.ranked[0].method}
    if level.family is None:
        return found
    number = level.number(row)
    return found | {
        "shown_better": "; ".join(other.method for other in level.better(row)),
        "shown_worse": "; ".join(other.method for other in level.worse(row)),
        "below_best": units.exact(level.family.gap(0, number)) if number else "0",
        "p_to_best": units.exact(level.family.adjusted_p(number, 0)) if number else "",
        "smallest_difference": units.exact(resolution.smallest_difference(level.family)),
        **{_seeds_column(target): resolution.seeds_for(level.family, target) or "" for target in resolution.TARGETS},
    }


def _seeds_column(target: float) -> str:
    return f"seeds_for_{target:g}"
