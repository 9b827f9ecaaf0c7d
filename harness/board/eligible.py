"""Who is ranked: rows that were made alike and lack nothing. Every other row is listed with the reason.

A row is ranked if its runs were made in a container, each of its required seeds 0, 1, 2, … is done, none of its runs
was ended by what the method did, and code, data and image are those of the rest of its table. (Budget, task and device
are the same by construction: they tell tables apart.) What is not ranked leads nothing and is in no family of tests.

A run that `diverged` or is `invalid` says something of its method: that is the seed's result, and a repetition does not
replace it. A run that was `interrupted`, ran out of time or memory, or `failed` says nothing, for the machine may have
been at fault; it is repeated on the same seed, and until it is done the row lacks a required seed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.board import grouping
from harness.board.pairs import FEWEST_SEEDS
from harness.board.tables import Row

VERDICTS = ("done", "diverged", "invalid")
"""How a run ends that says something of its method."""


def judge(rows: Sequence[Row]) -> None:
    """Say for each row of a table why it is not ranked, and how many seeds its level requires.

    Args:
        rows: The rows of one table; their ``required`` and ``unranked`` are set.
    """
    levels = {row.sparsity: required_seeds(other for other in rows if other.sparsity == row.sparsity) for row in rows}
    for row in rows:
        row.required = levels[row.sparsity]
        row.unranked = _alone(row)
    usual = _usual([row for row in rows if not row.unranked])
    for row in rows:
        if not row.unranked and usual is not None:
            row.unranked = grouping.otherwise_made(row.example, usual)


def required_seeds(rows: Iterable[Row]) -> int:
    """Return how many seeds, counted from 0, a level requires: what more than half of its rows have, at least three.

    One row can thus neither lower what all others are tested with, nor raise what they need. A seed on which the
    method failed counts as one that it has.
    """
    counts = sorted((_settled(row) for row in rows if row.runner == "docker"), reverse=True)
    counts = [count for count in counts if count >= FEWEST_SEEDS]
    return counts[len(counts) // 2] if counts else FEWEST_SEEDS


def _settled(row: Row) -> int:
    """Return how many seeds, counted from 0 without a gap, have a verdict."""
    seeds = row.runs.keys() | row.failed.keys()
    return next(number for number in range(len(seeds) + 1) if number not in seeds)


def _alone(row: Row) -> str:
    """Return why a row is not ranked, whatever the others are; nothing if it may be."""
    if row.runner != "docker":
        return "not made in a container"
    if row.failed:
        return ", ".join(f"seed {seed} {status}" for seed, status in sorted(row.failed.items()))
    if missing := [str(seed) for seed in range(row.required) if seed not in row.runs]:
        return f"of the seeds 0 to {row.required - 1}, {_some(missing)} not done"
    return ""


def _some(words: list[str]) -> str:
    shown = ", ".join(words[:5]) + (", …" if len(words) > 5 else "")
    return f"{shown} {'is' if len(words) == 1 else 'are'}"


def _usual(rows: Sequence[Row]) -> grouping.Made | None:
    """Return how most of the complete rows were made; of several that as many share, the newest."""
    count: Counter[grouping.Made] = Counter()
    newest: dict[grouping.Made, str] = {}
    for row in rows:
        finished = max(run["provenance"]["finished"] or "" for run in row.runs.values())
        for made in grouping.ways(row.example):
            count[made] += 1
            newest[made] = max(newest.get(made, ""), finished)
    return max(count, key=lambda made: (count[made], newest[made], made), default=None)
