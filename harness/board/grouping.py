"""What tells tables and rows of the board apart, in the terms of `harness.records.identity`."""

from typing import Any

from harness.board.tables import Table
from harness.records import Record, whole_budget
from harness.records.identity import DEFAULTS, canonical, of_record
from harness.records.identity import settings as settings_of_run


def table(record: Record) -> Table:
    """Return the table that a record belongs to, without rows: its task as resolved, and its budget."""
    found = settings_of_run(record["config"])
    task = {name: dict(found.get(name) or {}) for name in ("dataset", "model", "recipe")}
    for part in ("dataset", "model"):
        task[part]["name"] = record[part]
    recipe = str(task["recipe"].get("name") or "unnamed")
    budget = whole_budget(record["budget"])
    length = (budget["kind"], budget["amount"], budget["stretch"], budget["rounds"])
    return Table(record["dataset"], record["model"], recipe, *length, task)


def settings(record: Record) -> dict[str, Any]:
    """Return the settings of a record's method, with what else defines the run where it is not the default."""
    found = settings_of_run(record["config"])
    own = {name: value for name, value in (found.get("method") or {}).items() if name != "name"}
    return own | {name: found[name] for name, usual in DEFAULTS.items() if (found[name] or usual) != usual}


def device(record: Record) -> str:
    """Return ``cpu`` or ``cuda``."""
    return str(record["config"].get("device") or ("cuda" if record["provenance"]["gpu"] else "cpu"))


def code(record: Record) -> str:
    """Return what a mean must not mix, as text: code, data and environment."""
    made = of_record(record)
    return canonical([made.code, made.data, made.environment])
