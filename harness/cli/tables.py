"""What commands print: one row for a run, a table for a plan, lines for a board."""

import math
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.board import Summary
from harness.config.compose import RunConfig
from harness.console import say, shown
from harness.executors.execute import Result


def notice_dense(overrides: Sequence[str], run: RunConfig) -> None:
    """Say that a sparsity was given to a method without masks."""
    if not run.method.masked and any(override.startswith("sparsity=") for override in overrides):
        say(f"{run.method.name} has no masks: its sparsity is 0")


def title(run: RunConfig) -> str:
    """Name a run for a person."""
    return f"{run.method.name} {run.sparsity:.4g} on {run.dataset.name}/{run.model.name}, seed {run.seed}"


def row(result: Result) -> None:
    """Print the row of a run: every figure with its unit."""
    record = result.record
    metrics, cost = record["metrics"], record["cost"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    cells = {
        "method": record["method"],
        "task": f"{record['dataset']}/{record['model']}",
        "sparsity": f"{record['sparsity']:.4g}",
        "seed": str(record["seed"]),
        "status": record["status"],
        "test top-1": _percent(metrics["test_accuracy"]),
        "active": "-" if metrics["active"] is None else f"{metrics['active']:,} of {metrics['maskable']:,}",
        "train FLOPs": _times(cost["train_flops"], cost["train_flops_ratio"]),
        "inference": _times(cost["inference_flops"], cost["inference_flops_ratio"]),
        "wall-clock": _seconds(cost["seconds"]["total"]),
        "runner": record["runner"],
    }
    for name in cells:
        table.add_column(name, no_wrap=True)
    table.add_row(*cells.values())
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    if record["reason"]:
        say(f"{record['status']}: {record['reason']}")
    print(f"record: {shown(result.path)}")


def plan_table(entries: Sequence[dict[str, Any]]) -> None:
    """Print what a plan found, a line a run and a total."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("key", "method", "task", "sparsity", "seed", "budget", "train FLOPs", "inference", "done"):
        table.add_column(name, no_wrap=True)
    for entry in entries:
        budget = entry["budget"]
        stretch = "" if budget["stretch"] == 1 else f"x{budget['stretch']:g}"
        each = " each round" if budget["rounds"] == "each" else ""
        table.add_row(
            entry["key"],
            entry["method"],
            f"{entry['dataset']}/{entry['model']}",
            f"{entry['sparsity']:g}",
            str(entry["seed"]),
            f"{budget['kind']}:{budget['amount']:g}{stretch}{each}",
            _times(entry["train_flops"], entry["train_flops_ratio"]),
            _times(entry["inference_flops"], entry["inference_flops_ratio"]),
            "yes" if entry["done"] else "no",
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    todo = [entry["train_flops"] for entry in entries if not entry["done"]]
    known = [flops for flops in todo if flops is not None]
    timed = f", and {len(todo) - len(known)} as many as fit in their seconds" if len(known) < len(todo) else ""
    print(f"{len(entries)} runs, {len(entries) - len(todo)} done; the rest will train {sum(known):.3g} FLOPs{timed}")


def board(summary: Summary) -> None:
    """Print what a board was made of, and name what was left off."""
    print(f"{summary.records} records, {summary.tables} tables, {summary.failures} failures")
    for problem in summary.problems:
        say(f"left off the board: {problem.file}: {problem.reason}")
    for path in summary.written:
        print(f"wrote {shown(path)}")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _times(flops: int | None, ratio: float | None) -> str:
    return "-" if flops is None or ratio is None else f"{flops:.3g} ({ratio:.3f}x)"


def _seconds(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.1f} s"
