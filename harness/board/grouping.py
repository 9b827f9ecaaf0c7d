"""What tells tables and rows of the board apart: the one place where the board reads it from a record."""

from typing import Any

from harness.board.tables import Table
from harness.records import Record, whole_budget

_ELSEWHERE = ("root", "download")
"""Where the data lie on one machine does not make them other data."""

_USUAL = {"dense_layers": [], "loader": "auto"}
"""Settings outside the method's own that change a result, with their usual values ("auto": data held in memory)."""


def table(record: Record) -> Table:
    """Return the table that a record belongs to, without rows: its task as resolved, and its budget."""
    config, budget = record["config"], whole_budget(record["budget"])
    task = {name: dict(config.get(name) or {}) for name in ("dataset", "model", "recipe")}
    for name in _ELSEWHERE:
        task["dataset"].pop(name, None)
    for part in ("dataset", "model"):
        task[part]["name"] = record[part]
    recipe = str(task["recipe"].get("name") or "unnamed")
    length = (budget["kind"], budget["amount"], budget["stretch"], budget["rounds"])
    return Table(record["dataset"], record["model"], recipe, *length, task)


def settings(record: Record) -> dict[str, Any]:
    """Return the settings of a record's method, with what else changes its result where it is not the usual."""
    own = {name: value for name, value in (record["config"].get("method") or {}).items() if name != "name"}
    more = {name: record["config"].get(name) or value for name, value in _USUAL.items()}
    return own | {name: value for name, value in more.items() if value != _USUAL[name]}


def device(record: Record) -> str:
    """Return ``cpu`` or ``cuda``."""
    return str(record["config"].get("device") or ("cuda" if record["provenance"]["gpu"] else "cpu"))


def code(record: Record) -> tuple[str | None, str | None]:
    """Return what a mean must not mix: the digests of the method's source and of the data."""
    return (record["provenance"]["method_sha256"], record["provenance"]["data_sha256"])
