"""The rows of a method on the committed board, from ``results/leaderboard.csv``."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache

from docstrings import table
from repository import ROOT

from harness.board import units
from harness.budget import kinds
from harness.records import metrics

_TASK = (
    *("dataset", "model", "recipe", "budget_kind", "budget_amount", "budget_stretch", "budget_rounds"),
    *("device", "ruleset", "trials", "metric", "unit", "better"),
)
_HEADERS = ["sparsity", "result", "seeds", "rank", "training FLOPs", "inference FLOPs", "made", "settings"]


def rows(method: str, changed: Callable[[str, str], str]) -> str:
    """Return a table for each task and budget, a row of the board a line; nothing if there are none.

    Args:
        method: Its name.
        changed: Says, of a recipe and the settings of a row, which of these are not usual.
    """
    tasks: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in _board():
        if row["method"] == method:
            tasks.setdefault(tuple(row[name] for name in _TASK), []).append(row)
    parts = []
    for found in tasks.values():
        lines = [[*_cells(row), changed(row["recipe"], row["settings"])] for row in found]
        headers = [_result(found[0]) if name == "result" else name for name in _HEADERS]
        if not any(line[-1] for line in lines):
            headers, lines = headers[:-1], [line[:-1] for line in lines]
        parts.append(f"**{_title(found[0])}**\n\n{table(headers, lines)}")
    if parts:
        parts.append(
            "± is half a 95 % interval over seeds. FLOPs are multiples of the dense run's. "
            "[Statistics](../statistics.md) says what ranks mean."
        )
    return "\n\n".join(parts)


@cache
def _board() -> list[dict[str, str]]:
    path = ROOT / "results" / "leaderboard.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _title(row: dict[str, str]) -> str:
    budget = kinds.words(row["budget_kind"], float(row["budget_amount"]))
    more = f" × {row['budget_stretch']}" if row["budget_stretch"] not in ("", "1") else ""
    rounds = " each round" if row["budget_rounds"] == "each" else ""
    tuned = f" · {row['ruleset']}, {row['trials']} trials" if row["trials"] else ""
    return f"{row['dataset']} · {row['model']} · recipe {row['recipe']} · {budget}{more}{rounds}{tuned}"


def _cells(row: dict[str, str]) -> list[str]:
    return [
        f"{float(row['sparsity']):g}" if float(row["sparsity"]) else "dense",
        _score(row),
        row["seeds"],
        _rank(row),
        units.ratio(_number(row["train_flops_x_dense"])),
        units.ratio(_number(row["inference_flops_x_dense"])),
        ("verified" if row["verified"] == "yes" else "local") + f": {row['status']}",
    ]


def _result(row: dict[str, str]) -> str:
    """Return the heading over the results of a task."""
    if row["metric"] == metrics.ACCURACY.name:
        return metrics.ACCURACY.label
    return row["unit"] if row["unit"] != "share" else row["metric"]


def _score(row: dict[str, str]) -> str:
    mean, half = _number(row["score"]), _number(row["score_half_width"])
    if mean is None:
        return "–"
    known = {metric.name: metric for metric in metrics.BUILT_IN.values()}
    shown = known[row["metric"]].shown if row["metric"] in known else "{:.4g}".format
    return shown(mean) + (f" ± {shown(half)}" if half is not None else "")


def _rank(row: dict[str, str]) -> str:
    if row["rank_first"]:
        first, last = row["rank_first"], row["rank_last"]
        return first if first == last else f"{first} to {last}"
    return row["not_ranked_because"] or "–"


def _number(text: str) -> float | None:
    return float(text) if text else None
