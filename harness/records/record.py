"""The record: the one JSON file that a run leaves, whatever happened to it.

A record is a plain dictionary (`harness.records.schema` says which keys it has), so that nothing stands between the
file and its reader. This module makes and names records; `harness.records.store` reads and writes them.
"""

import copy
import json
import math
import re
from typing import Any

from harness.records import naming, schema
from harness.records.shapes import Schema

Record = dict[str, Any]


def empty(
    config: dict[str, Any],
    key: str,
    runner: str,
    status: str = "failed",
    reason: str | None = None,
    *,
    code: dict[str, str | None] | None = None,
    image: dict[str, str | None] | None = None,
) -> Record:
    """Return a record of this run with nothing measured, where each real record starts: every key but the rare ones.

    Args:
        config: The resolved configuration of the run, which names method, data set, model and the rest.
        key: The run's key, 16 hexadecimal digits.
        runner: One of `harness.vocabulary.RUNNERS`.
        status: One of `harness.vocabulary.STATUSES`.
        reason: Why the run is not ``done``, in one line.
        code: The version of results that the run was made under, and digests of its source; unknown by default.
        image: The content and base of the container image; None for a local run.
    """
    parts = schema.SCHEMA["properties"]
    nulls = {name: _nulls(parts[name]) for name in ("metrics", "cost", "provenance")}
    for name in naming.foreign(config.get("dataset") or {}):
        nulls["metrics"].pop(name, None)
    budget = config["budget"]
    return {
        "schema": schema.VERSION,
        "key": key,
        "status": status,
        "reason": reason,
        **{name: config[name]["name"] for name in ("method", "dataset", "model")},
        "sparsity": config["sparsity"],
        "budget": {name: budget.get(name) for name in ("kind", "amount", "stretch", "rounds")},
        "seed": config["seed"],
        "runner": runner,
        "code": code or dict(schema.ADDED["code"]),
        "image": image,
        "metrics": nulls["metrics"],
        "cost": nulls["cost"],
        "curve": [],
        "topology": [],
        "rounds": [],
        "provenance": nulls["provenance"],
        "config": config,
    }


def _nulls(part: Schema) -> Record:
    return {
        name: _nulls(inner) if inner.get("type") == "object" else None
        for name, inner in part["properties"].items()
        if name not in schema.RARE
    }


def is_trial(record: Record) -> bool:
    """Return whether a record is of a trial of tuning, which is scored on the validation split alone."""
    return record["config"].get("test") is False


def upgrade(record: Record) -> Record:
    """Return a record with the keys that its schema lacks and later ones have; its ``schema`` stays as it is.

    Args:
        record: A record that keeps its schema, of any version.
    """
    missing = {name: value for name, value in schema.ADDED.items() if name not in record}
    return {**record, **copy.deepcopy(missing)} if missing else record


def cell_name(dataset: str, model: str, method: str, sparsity: float, seed: int) -> str:
    """Return the readable part of a record's file name: ``digits-convnet-granet-0.9-s0``."""
    parts = (dataset, model, method, f"{sparsity:g}", f"s{seed}")
    return "-".join(re.sub(r"[^A-Za-z0-9_.+]+", "_", part) for part in parts)


def record_name(record: Record) -> str:
    """Return the file name of a record, readable first: ``digits-convnet-granet-0.9-s0-<key>.json``."""
    cell = (record[name] for name in ("dataset", "model", "method", "sparsity", "seed"))
    return f"{cell_name(*cell)}-{record['key']}.json"


def whole_budget(budget: dict[str, Any] | None) -> dict[str, Any]:
    """Return a record's or a config's budget including what it may leave out."""
    budget = budget or {}
    return {**budget, "stretch": budget.get("stretch") or 1, "rounds": budget.get("rounds") or "shared"}


def text(record: Record) -> str:
    """Return a record as JSON: one line per top-level key, in the schema's order; null for NaN and infinities."""
    ordered = [name for name in schema.SCHEMA["properties"] if name in record]
    lines = [
        f"{json.dumps(name)}: {json.dumps(_finite(record[name]), ensure_ascii=False, allow_nan=False)}"
        for name in ordered + [name for name in record if name not in ordered]
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
