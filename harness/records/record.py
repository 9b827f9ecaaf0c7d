"""The record: the one JSON file that a run leaves, whatever happened to it.

A record is a plain dictionary (`harness.records.schema` says which keys it has), so that nothing stands between the
file and its reader. This module checks, names, writes and reads records; it computes nothing.
"""

import json
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from harness.records import schema
from harness.records import validate as conform
from harness.records.schema import RUNNERS, STATUSES

__all__ = ["RUNNERS", "STATUSES", "Problem", "Record", "RecordError"]

Record = dict[str, Any]


class RecordError(ValueError):
    """A record breaks the schema; the message lists how."""


class Problem(NamedTuple):
    """A file among the records that is none: it is named and kept, and left off the board."""

    file: str
    reason: str


def validate(record: Any) -> list[str]:
    """Return what is wrong with a record, one line each; nothing if it keeps schema 1.

    Args:
        record: Any value, usually what a JSON file held.
    """
    if not conform.accepts(record):
        version = record.get("schema") if isinstance(record, dict) else None
        if version not in (None, schema.VERSION):
            return [f"schema {version!r} is not {schema.VERSION}, the one this version reads"]
        return conform.complaints(record)
    if record["status"] != "done":
        return []
    return [
        f"{part}.{name}: a run that is done has one" for part, name in schema.DONE_NEEDS if record[part][name] is None
    ]


def require(record: Any) -> None:
    """Raise `RecordError` unless the record keeps schema 1."""
    problems = validate(record)
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise RecordError("; ".join(problems[:3]) + more)


def empty(config: dict[str, Any], key: str, runner: str, status: str = "failed", reason: str | None = None) -> Record:
    """Return a record of this run with every key present and nothing measured: where each real record starts.

    Args:
        config: The resolved configuration of the run, which names method, data set, model and the rest.
        key: The run's key, 16 hexadecimal digits.
        runner: ``docker`` or ``local``.
        status: One of `STATUSES`.
        reason: Why the run is not ``done``, in a line.
    """
    parts = schema.SCHEMA["properties"]
    nulls = {name: _nulls(parts[name]) for name in ("metrics", "cost", "provenance")}
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
        "metrics": nulls["metrics"],
        "cost": nulls["cost"],
        "curve": [],
        "topology": [],
        "rounds": [],
        "provenance": nulls["provenance"],
        "config": config,
    }


def _nulls(part: schema.Schema) -> Record:
    return {
        name: _nulls(inner) if inner.get("type") == "object" else None for name, inner in part["properties"].items()
    }


def record_name(record: Record) -> str:
    """Return the file name of a record, readable first: ``digits-convnet-granet-0.9-s0-<key>.json``."""
    parts = (
        record["dataset"],
        record["model"],
        record["method"],
        f"{record['sparsity']:g}",
        f"s{record['seed']}",
    )
    readable = "-".join(re.sub(r"[^A-Za-z0-9_.+]+", "_", str(part)) for part in parts)
    return f"{readable}-{record['key']}.json"


def text(record: Record) -> str:
    """Return a record as JSON: a line per top-level key, in the schema's order; null for NaN."""
    ordered = [name for name in schema.SCHEMA["properties"] if name in record]
    lines = [
        f"{json.dumps(name)}: {json.dumps(_finite(record[name]), ensure_ascii=False, allow_nan=False)}"
        for name in ordered + [name for name in record if name not in ordered]
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not have, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value


def write_atomic(path: Path | str, content: str) -> None:
    """Write a text file so that a reader sees the old one or the whole new one, also after a power cut.

    Args:
        path: The file; its folder is made if missing.
        content: Its text, stored as UTF-8.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp makes it private, and a record is there to be read
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write(record: Record, path: Path | str) -> None:
    """Check a record and write it, atomically.

    Args:
        record: The record; numbers that are not finite become null.
        path: The file.

    Raises:
        RecordError: The record breaks the schema; nothing is written.
    """
    content = text(record)
    require(json.loads(content))
    write_atomic(path, content)


def load(path: Path | str) -> Record:
    """Read and check one record.

    Raises:
        RecordError: The file is not valid JSON or breaks the schema.
        OSError: The file cannot be read.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        record = json.loads(Path(path).read_bytes(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not valid JSON: {error}") from None
    require(record)
    return record


def whole_budget(budget: dict[str, Any] | None) -> dict[str, Any]:
    """Return a record's or a config's budget with what it may leave out."""
    budget = budget or {}
    return {**budget, "stretch": budget.get("stretch") or 1, "rounds": budget.get("rounds") or "shared"}


def load_files(folder: Path | str) -> tuple[dict[str, Record], list[Problem]]:
    """Read every ``*.json`` of a folder.

    Args:
        folder: Where records are; one that does not exist holds none.

    Returns:
        The records by file name, and the files that are none with the reason; both in the order of names.
    """
    records: dict[str, Record] = {}
    problems: list[Problem] = []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            records[path.name] = load(path)
        except (RecordError, OSError) as error:
            problems.append(
                Problem(
                    path.name,
                    str(error) if isinstance(error, RecordError) else f"unreadable: {error.strerror}",
                )
            )
    return records, problems
