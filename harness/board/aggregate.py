"""Records to the rows of the board: what is compared with what, and which runs stand for a method.

A *table* holds the runs of one task (data set, model and recipe, as resolved) under one budget and one ruleset
(`harness.records.ruleset`) on one kind of device, which decides the precision of the arithmetic; nothing is compared
across tables. A *row* is one method with its settings at one sparsity, by one kind of runner, over its seeds: runs made
in a container are never averaged with runs made outside of one. `harness.board.eligible` says which rows are ranked.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from harness.board import eligible, grouping, levels
from harness.board.tables import Row, Table
from harness.config.plain import NEWER
from harness.records import Record, is_trial
from harness.records.identity import LEFT_OUT, of_record
from methods import methods

Files = Mapping[str, Record]

_PLACES = frozenset(("distribution", "dense_layers"))
"""Settings that say where masks are: shown wherever they are not a method's defaults."""


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
        if is_trial(record):  # it has no result
            continue
        table = grouping.table(record)
        key = _canonical([table.task, *_order(table), table.ruleset, table.space])
        found.setdefault(key, table)
        sparsity = round(record["sparsity"], 9)
        row = [record["method"], grouping.settings(record), sparsity, record["runner"]]
        groups[key][_canonical(row)][name] = record
    for key, table in found.items():
        table.rows = [_row(candidates) for candidates in groups[key].values()]
        local = table.local
        for each in table.rows:
            each.apart = (each.runner == "docker") == local
        _tell_methods_apart(table.rows)
        levels.rank(table)
    ordered = [found[key] for key in sorted(found, key=lambda key: (_order(found[key]), key))]
    _tell_recipes_apart(ordered)
    _tell_devices_apart(ordered)
    return ordered


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _order(table: Table) -> tuple[str, str, str, str, float, float, bool, int, str]:
    budget = (table.kind, table.amount, table.stretch, table.rounds == "each")
    return (table.dataset, table.model, table.recipe, *budget, table.trials or 0, table.device)


def _age(item: tuple[str, Record]) -> tuple[str, str, str]:
    """Order records from old to new; key and file name decide where the clock does not."""
    name, record = item
    return (record["provenance"]["finished"] or "", record["key"], name)


def _row(candidates: Files) -> Row:
    """Choose the runs of one row.

    The newest run that says something of the method decides which code, data and environment the row stands for:
    a mean must not mix two programs, and the newest says what this method does now, be it to fail. For each seed the
    newest run that is done counts, unless one of the same program ended by what the method did: that is final.
    """
    ordered = sorted(candidates.items(), key=_age)
    verdicts = [item for item in ordered if item[1]["status"] in eligible.VERDICTS]
    newest = of_record((verdicts or ordered)[-1][1])
    ended = ordered.index(verdicts[-1]) if verdicts else len(ordered)
    later = [record for _, record in ordered[ended + 1 :] if not grouping.same_program(of_record(record), newest)]
    current = [item for item in verdicts if grouping.same_program(of_record(item[1]), newest)]
    failed = {record["seed"]: record["status"] for _, record in current if record["status"] != "done"}
    # a newer one replaces an older
    chosen = {item[1]["seed"]: item for item in current if item[1]["seed"] not in failed}
    replaced = {record["seed"] for _, record in verdicts} - chosen.keys() - failed.keys()
    last_words = {record["seed"]: record["status"] for _, record in ordered if record["seed"] not in replaced}
    last_words |= failed | dict.fromkeys(chosen, "done")
    example = (current or ordered)[-1][1]
    return Row(
        method=example["method"],
        name=example["method"],
        settings=grouping.settings(example),
        sparsity=example["sparsity"],
        runner=example["runner"],
        device=grouping.device(example),
        runs={seed: chosen[seed][1] for seed in sorted(chosen)},
        files={seed: chosen[seed][0] for seed in sorted(chosen)},
        failed=failed,
        statuses=dict(sorted(Counter(last_words.values()).items())),
        newer=dict(sorted(Counter(record["status"] for record in later).items())),
        superseded=len(verdicts) - len(chosen) - len(failed),
        example=example,
    )


def _differing(variants: list[dict[str, Any]]) -> list[str]:
    """Return the names whose values are not the same in all of the variants."""
    names = sorted(set().union(*variants))
    return [name for name in names if len({_canonical(variant.get(name)) for variant in variants}) > 1]


def _words(variant: dict[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name}={variant.get(name, LEFT_OUT.get(name))}" for name in names)


def _tell_methods_apart(rows: list[Row]) -> None:
    """Append to a method's name what differs between its rows of one sparsity, and where masks are put otherwise."""
    by_name: dict[str, dict[float, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_name[row.name][row.sparsity].append(row.settings)
    differing = {
        name: sorted({key for variants in levels.values() for key in _differing(variants)})
        for name, levels in by_name.items()
    }
    for row in rows:
        placed = _PLACES.intersection(eligible.changed(row)) if row.name in methods() else frozenset()
        if names := sorted(placed.union(differing[row.name])):
            row.method = f"{row.name} [{_words(row.settings, names)}]"


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield single settings; those of the metric of a data set too, which a stranger may have given otherwise."""
    for key, value in values.items():
        if key == "metric" and isinstance(value, dict):
            yield from ((f"metric.{name}", part) for name, part in value.items())
        else:
            yield key, value


def _whole(table: Table) -> dict[str, dict[str, Any]]:
    """Return the task of a table with the defaults of settings that records leave out at them."""
    return {part: NEWER.get(part, {}) | values for part, values in table.task.items()}


def _tell_recipes_apart(ordered: list[Table]) -> None:
    """Do the same for recipes of one name, as when one of their values was overridden for some runs."""
    by_name: dict[tuple[str, ...], list[Table]] = defaultdict(list)
    for table in ordered:
        by_name[table.dataset, table.model, table.recipe, table.ruleset, *table.space].append(table)
    for same in by_name.values():
        flat = [
            {f"{part}.{key}": value for part, values in _whole(table).items() for key, value in _flat(values)}
            | {f"{name} tuned": form for name, form in table.space.items()}
            for table in same
        ]
        names = _differing(flat)
        for table, variant in zip(same, flat, strict=True):
            if names:
                table.recipe = f"{table.recipe} [{_words(variant, names)}]".replace("recipe.", "")


def _tell_devices_apart(ordered: list[Table]) -> None:
    """Have the titles name the device where a task and budget was run on both."""
    same: dict[str, list[Table]] = defaultdict(list)
    for table in ordered:
        same[table.title].append(table)
    for group in same.values():
        for table in group:
            table.alone = len(group) == 1
