"""Who is ranked: rows that were made alike and lack nothing. Every other row is listed with the reason.

A row is ranked if its runs were made in a container, each of its required seeds 0, 1, 2, … is done, none of its runs
was ended by what the method did, and code, data and image are those of the rest of its table. (Budget, task and device
are the same by construction: they tell tables apart.) What is not ranked leads nothing and is in no family of tests.

A table in which no method has a result from a container, as on a cluster without an engine, ranks its local rows by the
same rules. Dense is no method in this: it has no rank.

A run that `diverged` or is `invalid` says something of its method: that is the seed's result, and a repetition does not
replace it. A run that was `interrupted`, ran out of time or memory, or `failed` says nothing, for the machine may have
been at fault; it is repeated on the same seed, and until it is done the row lacks a required seed.

A method has one ranked row for each level, that of its default settings, whatever becomes of it: with its variants in
the family as well, whoever submits more of them would take more of the 5 % from the others, and have more chances to
lead. A row whose sparsity is a result is ranked where it reaches the sparsity of its column.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from harness.board import grouping
from harness.board.pairs import FEWEST_SEEDS
from harness.board.tables import Row
from harness.config import recipes
from harness.records import Record, reached
from harness.records.identity import canonical
from methods import methods

VERDICTS = ("done", "diverged", "invalid")
"""How a run ends that says something of its method."""


def judge(rows: Sequence[Row], first_look: Mapping[float, int] | None = None) -> None:
    """Say for each row of a table why it is not ranked, and how many seeds its level requires.

    Args:
        rows: The rows of one table; their ``required``, ``unranked`` and ``place`` are set.
        first_look: The seeds of the first look by sparsity, of levels that are tested under a plan: more are required
            of some of their rows alone (`harness.board.levels`).
    """
    levels: dict[float, list[Row]] = defaultdict(list)
    for row in rows:
        levels[row.sparsity].append(row)
    for sparsity, here in levels.items():
        required = (first_look or {}).get(sparsity) or required_seeds(here)
        for row in here:
            row.required, row.place, row.variant, row.foreign = required, None, False, ""
            row.unranked = _alone(row)
        _one_for_each_method(here)
    usual = _usual([row for row in rows if not row.unranked])
    for row in rows:
        if usual is not None and not row.apart and (row.failed or not row.unranked):
            row.foreign = grouping.otherwise_made(row.example, usual)
            row.unranked = row.unranked or row.foreign


def required_seeds(rows: Iterable[Row]) -> int:
    """Return how many seeds, counted from 0, a level requires: what more than half of its rows have, at least three.

    One row can thus neither lower what all others are tested with, nor raise what they need. A seed on which the
    method failed counts as one that it has.
    """
    counts = sorted((_settled(row) for row in rows if not row.apart), reverse=True)
    counts = [count for count in counts if count >= FEWEST_SEEDS]
    return counts[len(counts) // 2] if counts else FEWEST_SEEDS


def _settled(row: Row) -> int:
    """Return how many seeds, counted from 0 without a gap, have a verdict."""
    seeds = row.runs.keys() | row.failed.keys()
    return next(number for number in range(len(seeds) + 1) if number not in seeds)


def _alone(row: Row) -> str:
    """Return why a row is not ranked, whatever the others are; nothing if it may be."""
    if row.apart:
        where = "made in a container, unlike what is ranked" if row.runner == "docker" else "not made in a container"
        return "; ".join(filter(None, (where, falls_short(row))))
    if row.failed:
        return failures(row)
    return lacks(row) or falls_short(row)


def failures(row: Row) -> str:
    """Return how each failed seed of a row ended, in words; nothing if none failed."""
    return ", ".join(f"seed {seed} {status}" for seed, status in sorted(row.failed.items()))


def lacks(row: Row) -> str:
    """Return which required seeds of a row are not done, in words; nothing if all are."""
    missing = [str(seed) for seed in range(row.required) if seed not in row.runs]
    return f"of the seeds 0 to {row.required - 1}, {_some(missing)} not done" if missing else ""


def _some(words: list[str]) -> str:
    shown = ", ".join(words[:5]) + (", …" if len(words) > 5 else "")
    return f"{shown} {'is' if len(words) == 1 else 'are'}"


def falls_short(row: Row) -> str:
    """Return the sparsity that a row reaches if its method does not set it and some seed misses that of its column."""
    short = [run for run in row.runs.values() if may_fall_short(run) and reached.falls_short(run)]
    if not short:
        return ""
    return f"reaches {100 * min(run['metrics']['sparsity'] for run in short):.4g} %"


def may_fall_short(run: Record) -> bool:
    """Tell whether a run ends at a sparsity that its method learns, or that its pattern decides."""
    return reached.is_result(run["config"]) or bool(run["config"].get("pattern"))


def _one_for_each_method(rows: Sequence[Row]) -> None:
    """Leave each method of a level one row that may be ranked; the others are variants and say which it is."""
    variants: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if not row.apart:
            variants[row.name].append(row)
    for same in variants.values():
        started = [row for row in same if row.runs or row.failed] or same  # else the machine alone has spoken
        chosen = min(started, key=_distance) if len(started) > 1 else started[0]
        for row in same:
            row.variant = row is not chosen
            if row.variant and not row.unranked:
                row.unranked = f"a variant: {chosen.method} is the method's row"


def _distance(row: Row) -> tuple[int, str, str]:
    """Order the variants of a method: fewest settings that are not its defaults, then the oldest; never by result."""
    oldest = min(run["provenance"]["finished"] or "" for run in (row.example, *row.runs.values()))
    return len(changed(row)), oldest, canonical(row.settings)


def changed(row: Row) -> list[str]:
    """Return the names of a row's settings that are not its method's defaults.

    What the recipe sets for the method is a default here, as it is where runs are composed.
    """
    method = methods().get(row.name)
    recipe = (row.example["config"].get("recipe") or {}).get("name")
    usual = (vars(method) if method else {}) | recipes.of_method(str(recipe), row.name)
    return [name for name, value in row.settings.items() if not _same(usual.get(name), value)]


def _same(usual: object, value: object) -> bool:
    """Compare a default with a value of a record: a file may have an integer for a fraction, and JSON has no tuples."""
    return (list(usual) if isinstance(usual, tuple) else usual) == value


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
