"""Records to the rows of the board: what is compared with what, and which runs stand for a method.

A *table* holds the runs of one task (data set, model and recipe, as resolved) under one budget; nothing is
compared across tables. A *row* is one method with its settings at one sparsity, by one kind of runner and device,
over its seeds: runs made in a container are never averaged with runs made outside of one.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from harness.board import grouping
from harness.board.statistics import Place, places
from harness.board.tables import Row, Table
from harness.records import Record

Files = Mapping[str, Record]


def tables(files: Files) -> list[Table]:
    """Group records into tables, choose the runs that count, and rank.

    Args:
        files: Records by file name, of any status; those not done only show in `Row.statuses`.

    Returns:
        The tables, ordered by task and budget.
    """
    found: dict[str, Table] = {}
    groups: dict[str, dict[str, dict[str, Record]]] = defaultdict(lambda: defaultdict(dict))
    for name, record in files.items():
        table = grouping.table(record)
        key = _canonical([table.task, table.kind, table.amount, table.stretch, table.rounds])
        found.setdefault(key, table)
        sparsity = round(record["sparsity"], 9)
        row = [record["method"], grouping.settings(record), sparsity, record["runner"], grouping.device(record)]
        groups[key][_canonical(row)][name] = record
    for key, table in found.items():
        table.rows = [_row(candidates) for candidates in groups[key].values()]
        _tell_methods_apart(table.rows)
        _rank(table)
    ordered = [found[key] for key in sorted(found, key=lambda key: (_order(found[key]), key))]
    _tell_recipes_apart(ordered)
    return ordered


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _order(table: Table) -> tuple[str, str, str, str, float, float, bool]:
    budget = (table.kind, table.amount, table.stretch, table.rounds == "each")
    return (table.dataset, table.model, table.recipe, *budget)


def _age(item: tuple[str, Record]) -> tuple[str, str, str]:
    """Order records from old to new; key and file name decide where the clock does not."""
    name, record = item
    return (record["provenance"]["finished"] or "", record["key"], name)


def _row(candidates: Files) -> Row:
    """Choose the runs of one row.

    For each seed the newest run that is done counts. Runs of a method whose source, or whose data, have
    changed since do not: a mean must not mix two programs, and the newest says what this method does now.
    """
    ordered = sorted(candidates.items(), key=_age)
    done = [item for item in ordered if item[1]["status"] == "done"]
    current = [item for item in done if grouping.code(item[1]) == grouping.code(done[-1][1])]
    chosen = {record["seed"]: (name, record) for name, record in current}  # a newer one replaces an older
    last_words = {record["seed"]: record["status"] for _, record in ordered}
    last_words |= dict.fromkeys(chosen, "done")
    statuses: dict[str, int] = defaultdict(int)
    for status in last_words.values():
        statuses[status] += 1
    example = ordered[-1][1]
    return Row(
        method=example["method"],
        name=example["method"],
        settings=grouping.settings(example),
        sparsity=example["sparsity"],
        runner=example["runner"],
        device=grouping.device(example),
        runs={seed: chosen[seed][1] for seed in sorted(chosen)},
        files={seed: chosen[seed][0] for seed in sorted(chosen)},
        statuses=dict(sorted(statuses.items())),
        superseded=len(done) - len(chosen),
    )


def _differing(variants: list[dict[str, Any]]) -> list[str]:
    """Return the names whose values are not the same in all of the variants."""
    names = sorted(set().union(*variants))
    return [name for name in names if len({_canonical(variant.get(name)) for variant in variants}) > 1]


def _words(variant: dict[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name}={variant.get(name)}" for name in names)


def _tell_methods_apart(rows: list[Row]) -> None:
    """Append what differs to the name of a method that has several rows at one sparsity."""
    by_name: dict[str, dict[float, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_name[row.name][row.sparsity].append(row.settings | {"device": row.device})
    differing = {
        name: sorted({key for variants in levels.values() for key in _differing(variants)})
        for name, levels in by_name.items()
    }
    for row in rows:
        if names := differing[row.name]:
            row.method = f"{row.name} [{_words(row.settings | {'device': row.device}, names)}]"


def _tell_recipes_apart(ordered: list[Table]) -> None:
    """Do the same for recipes of one name, as when one of their values was overridden for some runs."""
    by_name: dict[tuple[str, str, str], list[Table]] = defaultdict(list)
    for table in ordered:
        by_name[table.dataset, table.model, table.recipe].append(table)
    for same in by_name.values():
        flat = [
            {f"{part}.{key}": value for part in table.task for key, value in table.task[part].items()} for table in same
        ]
        names = _differing(flat)
        for table, variant in zip(same, flat, strict=True):
            if names:
                table.recipe = f"{table.recipe} [{_words(variant, names)}]".replace("recipe.", "")


def _rank(table: Table) -> None:
    """Order the rows by sparsity and accuracy and give each level its places; dense has none."""

    def order(row: Row) -> tuple[float, bool, bool, float, str, str]:
        best_first = -row.accuracy.mean if row.accuracy else 0.0
        return (row.sparsity, not row.runs, row.lost > 0, best_first, row.method, row.runner)

    table.rows.sort(key=order)
    examples = table.task["dataset"].get("test_examples")
    resolution = 1 / examples if examples else 0.0
    for level in sorted({row.sparsity for row in table.rows}):
        ranked = [row for row in table.rows if row.sparsity == level and row.runs and row.name != "dense"]
        for row, place in zip(ranked, _places(ranked, resolution), strict=True):
            row.place = place


def _places(ranked: list[Row], resolution: float) -> list[Place]:
    """Return the places of one level: rows that lost a seed come after, and never share a place with, the others.

    The seeds that a method lost may well be its worst, so the mean of the rest says too much.
    """
    complete = [row.accuracies for row in ranked if not row.lost]
    lossy = [row.accuracies for row in ranked if row.lost]
    return places(complete, resolution) + [
        Place(len(complete) + place.rank, place.shared, place.beaten or bool(complete))
        for place in places(lossy, resolution)
    ]
