"""What a run counts for in the standing. Only this file knows the metric of a task."""

from harness.board.tables import Row, Table


def at_chance(table: Table) -> float:
    """Return the error of guessing, which no run of a table exceeds: 1 − 1/classes."""
    classes = table.task["dataset"].get("classes")
    known = isinstance(classes, int) and not isinstance(classes, bool) and classes > 1
    return 1 - 1 / classes if known else 1.0


def of_seeds(row: Row, seeds: int, chance: float) -> list[float] | None:
    """Return a row's error on each of the seeds 0, 1, …, or None if one of them has no result yet.

    A run that diverged or is invalid counts as chance, and so does a finished one that is worse.
    """
    found = []
    for seed in range(seeds):
        if seed in row.runs and seed not in row.failed:
            found.append(min(1 - row.runs[seed]["metrics"]["test_accuracy"], chance))
        elif seed in row.failed:
            found.append(chance)
        else:
            return None
    return found
