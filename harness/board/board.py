"""The board, a pure function of records: CSV, Markdown, page, plot; the same bytes when nothing changed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.board import aggregate, published, units, wording
from harness.board.published import Published
from harness.board.tables import Row, Table
from harness.errors import UsageError
from harness.records import Problem, Record, load_files, write_atomic


@dataclass
class Board:
    """Everything that the board shows.

    Attributes:
        files: Every readable record, by file name.
        tables: One per task and budget.
        published: The published numbers that are known, for any task.
        problems: Files among the records that are none.
    """

    files: dict[str, Record]
    tables: list[Table]
    published: list[Published]
    problems: list[Problem]

    @property
    def failures(self) -> list[tuple[str, Record]]:
        """The runs that are not done, with their files: by task, method, sparsity and seed."""
        failed = [(name, record) for name, record in self.files.items() if record["status"] != "done"]

        def order(item: tuple[str, Record]) -> tuple[Any, ...]:
            name, run = item
            return (run["dataset"], run["model"], run["method"], run["sparsity"], run["seed"], name)

        return sorted(failed, key=order)


@dataclass(frozen=True)
class Summary:
    """What `make` found and wrote."""

    records: int
    tables: int
    failures: int
    problems: tuple[Problem, ...]
    written: tuple[Path, ...]


def make(records_dir: Path | str, output_dir: Path | str) -> Summary:
    """Make the board of a folder of records.

    Args:
        records_dir: Where the records are (``*.json``).
        output_dir: Where ``leaderboard.csv``, ``leaderboard.md``, ``leaderboard.html`` and ``pareto.svg`` go.
            A file whose content would not change is not touched.

    Returns:
        What was read and written; unreadable records are among its problems and left off.

    Raises:
        UsageError: The output cannot be written.
    """
    from harness.board.page import (
        html as page,  # it brings a plotting engine along, which reading a board does not need
    )

    files, problems = load_files(records_dir)
    board = Board(files, aggregate.tables(files), published.load(), problems)
    output = Path(output_dir)
    contents = {
        output / "leaderboard.csv": csv_text(board),
        output / "leaderboard.md": markdown(board),
        output / "leaderboard.html": page.html(board, wording.link(output, Path(records_dir))),
        output / "pareto.svg": page.pareto(board),
    }
    try:
        for path, content in contents.items():
            if not path.exists() or path.read_text(encoding="utf-8") != content:
                write_atomic(path, content)
    except OSError as error:
        raise UsageError(f"cannot write the board to {output_dir}: {error.strerror}") from None
    return Summary(len(files), len(board.tables), len(board.failures), tuple(problems), tuple(contents))


def _csv_row(board: Board, table: Table, row: Row) -> dict[str, Any]:
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


def csv_text(board: Board) -> str:
    """Return the board as CSV, one line per row, numbers unrounded."""
    example = Row("", "", {}, 0.0, "", "", {}, {}, {}, 0)
    names = list(_csv_row(board, Table("", "", "", "", 0, 1, "shared", {}), example))
    rows = [_csv_row(board, table, row) for table in board.tables for row in table.rows]
    # All as strings: pandas would make floats of integer columns with gaps, and lose digits of large FLOP counts.
    frame = pd.DataFrame(rows, columns=names, dtype="object").astype("string")
    return frame.to_csv(index=False, lineterminator="\n")


def _markdown_table(board: Board, table: Table) -> str:
    rows = [list(wording.cells(row).values()) for row in table.rows]
    parts = [f"## {table.title}", wording.protocol(table), wording.grid(wording.HEADERS, rows)]
    if any(not usage.undisturbed for row in table.rows for usage in row.usage.values()):
        parts.append(wording.DISTURBED)
    theirs = published.beside(board.published, table)
    if theirs:
        headers = [
            "method",
            "sparsity",
            "published top-1 %",
            "training FLOPs",
            "ours",
            "difference",
            "source",
        ]
        cells = [wording.published_cells(p, table) for p in theirs]
        parts += ["Published, under another protocol and so never ranked:", wording.grid(headers, cells)]
    return "\n\n".join(parts)


def markdown(board: Board) -> str:
    """Return the board as Markdown: tables, what was published beside them, failures, files left off."""
    reading = "\n".join(f"- {point}" for point in wording.READING)
    parts = ["# Leaderboard", "Written from `records/*.json` by `make leaderboard`; do not edit.", reading]
    if not board.tables:
        parts.append("No records yet. `make bench` makes the first.")
    parts += [_markdown_table(board, table) for table in board.tables]
    parts.append("## Runs that failed")
    failures = [wording.failure_cells(name, record) for name, record in board.failures]
    parts.append(wording.grid(wording.FAILURE_HEADERS, failures) if failures else "None.")
    if board.problems:
        parts += [
            "## Files left off",
            wording.grid(["file", "why"], [list(problem) for problem in board.problems]),
        ]
    return "\n\n".join(parts) + "\n"
