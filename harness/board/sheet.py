"""The board as CSV: one line per row, numbers unrounded."""

import csv
import io
import json
from typing import Any

from harness.board import breakdown, deployed, escape, published, resolution, sampling, units, wording
from harness.board.board import Board
from harness.board.tables import Row, Table
from harness.records.metrics import ACCURACY


def csv_text(board: Board) -> str:
    """Return the board as CSV. Text that a spreadsheet would run as a formula is escaped."""
    example = Row("", "", {}, 0.0, "", "", {}, {}, {}, {}, {}, 0, {"config": {}})
    names = list(_cells(board, Table("", "", "", "", 0, 1, "shared", "", {"dataset": {}}), example))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for table in board.tables:
        to_dense = _against_dense(table)
        for row in table.rows:
            cells = _cells(board, table, row) | to_dense.get(id(row), {})
            writer.writerow([escape.csv(str(cell)) for cell in cells.values()])
    return text.getvalue()


_TO_DENSE = ("below_dense", "below_dense_half_width", "holds_to", "breaks_from", "train_flops_x_dense_within_margin")
"""What is shown of a row against dense, and of its method (`harness.board.breakdown`)."""


def _against_dense(table: Table) -> dict[int, dict[str, Any]]:
    """Return the cells of `_TO_DENSE` of each row, by its id."""
    gaps = breakdown.against_dense(table)
    of_method = {each.method: each for each in breakdown.of_table(table)}
    found: dict[int, dict[str, Any]] = {}
    for row in table.rows:
        gap, shown = gaps.get(id(row)), of_method.get(row.method) if not row.apart else None
        cells: list[float | None] = [gap.below, gap.half_width] if gap else [None, None]
        cells += [shown.holds, shown.breaks, shown.train_flops_ratio] if shown else [None, None, None]
        found[id(row)] = dict(zip(_TO_DENSE, map(units.exact, cells), strict=True))
    return found


def _cells(board: Board, table: Table, row: Row) -> dict[str, Any]:
    score, usage, metric = row.score, row.usage, table.metric
    accuracy = score if metric == ACCURACY else None
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
        "ruleset": table.ruleset,
        "trials": "" if table.trials is None else table.trials,
        "sparsity": f"{row.sparsity:g}",
        **_standing(table, row),
        "method": row.method,
        "settings": json.dumps(row.settings, sort_keys=True),
        "top1_mean": units.exact(accuracy and accuracy.mean),
        "top1_ci95_half_width": units.exact(accuracy and accuracy.half_width),
        "top1_ci95_half_width_with_test_images": units.exact(sampling.half_width(row)),
        "seeds": score.n if score else 0,
        **dict.fromkeys(_TO_DENSE, ""),
        "train_flops": units.exact(row.mean("cost", "train_flops")),
        "train_flops_x_dense": units.exact(row.mean("cost", "train_flops_ratio")),
        "inference_flops": units.exact(row.mean("cost", "inference_flops")),
        "inference_flops_x_dense": units.exact(row.mean("cost", "inference_flops_ratio")),
        "exploration_rate": units.exact(row.mean("metrics", "exploration_rate")),
        "wall_clock_seconds": units.exact(alone and alone.seconds),
        "peak_memory_bytes": units.exact(alone and alone.peak_memory_bytes),
        "energy_joules": units.exact(alone and alone.energy_joules),
        "hardware": "; ".join(usage),
        **deployed.cells(row),
        "image": "; ".join(row.provenance("image_id")),
        "commit": "; ".join(wording.commits(row, short=False)),
        "verified": wording.yes_no(row.runner == "docker"),
        "status": wording.statuses(row),
        "failed_since": ", ".join(f"{count} {status}" for status, count in row.newer.items()),
        "superseded": row.superseded,
        "published_top1": "; ".join(f"{number.top1 / 100:g}" for number in theirs) if metric == ACCURACY else "",
        "published_difference": " | ".join(published.difference(number, table, row) for number in theirs),
        "records": " ".join(row.files.values()),
        "metric": metric.name,
        "unit": "share" if metric.share else metric.label,
        "better": metric.better,
        "score": units.exact(score and score.mean),
        "score_half_width": units.exact(score and score.half_width),
    }


def _standing(table: Table, row: Row) -> dict[str, Any]:
    """Return what the tests say of a row, and what they could have said; empty where it is not ranked."""
    found: dict[str, Any] = dict.fromkeys(
        ("rank_first", "rank_last", "not_ranked_because", "shown_better", "shown_worse", "best_mean"), ""
    )
    found |= dict.fromkeys(("below_best", "p_to_best", "look", "smallest_difference"), "")
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
        "look": f"{level.look.number} of {level.look.of}" if level.look else "",
        "smallest_difference": units.exact(resolution.smallest_difference(level.family)),
        **{
            _seeds_column(target): resolution.seeds_for(level.family, target * level.family.whole) or ""
            for target in resolution.TARGETS
        },
    }


def _seeds_column(target: float) -> str:
    return f"seeds_for_{target:g}"
