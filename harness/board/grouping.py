"""What tells tables and rows of the board apart, in the terms of `harness.records.identity`."""

import dataclasses
from typing import Any, NamedTuple

from harness.board.tables import Table
from harness.records import Record, ruleset, whole_budget
from harness.records.changes import HISTORY
from harness.records.identity import DEFAULTS, Identity, canonical, of_record
from harness.records.identity import settings as settings_of_run
from methods import Method, methods

_OF_MASKS = frozenset((*(field.name for field in dataclasses.fields(Method)), "dense_layers")) - {"name"}
"""Settings that every method has, and that decide on masks alone."""


class Made(NamedTuple):
    """A way of making runs: what the rows that are compared must share.

    Attributes:
        results: Version of the results of the project's own code.
        model: Digest of a model that is not the project's own; else empty.
        shared: Digest of shared code that is not the project's own; else empty.
        data: Fingerprint of the data; empty if unknown.
        environment: The image, as text.
    """

    results: str
    model: str
    shared: str
    data: str
    environment: str


def table(record: Record) -> Table:
    """Return the table that a record belongs to, without rows: its task as resolved, budget, device and ruleset.

    Tuned values of the recipe, and the width of a narrower dense net that stands for a sparsity, are those of a row:
    neither splits a table, in which all methods have had as many trials in the same space of the recipe.
    """
    found = settings_of_run(record["config"])
    task = {name: dict(found.get(name) or {}) for name in ("dataset", "model", "recipe")}
    for part in ("dataset", "model"):
        task[part]["name"] = record[part]
    if _is_narrower(record):
        task["model"].pop("width", None)
    shared = ruleset.shared(record)
    task["recipe"] = {name: value for name, value in task["recipe"].items() if name not in shared}
    recipe = str(task["recipe"].get("name") or "unnamed")
    budget = whole_budget(record["budget"])
    length = (budget["kind"], budget["amount"], budget["stretch"], budget["rounds"])
    made = Table(record["dataset"], record["model"], recipe, *length, device(record), task)
    made.ruleset, made.trials, made.space = ruleset.of(record), ruleset.trials(record), shared
    return made


def settings(record: Record) -> dict[str, Any]:
    """Return the settings of a record's method, with what else defines the run where it is not the default.

    Of a method without masks those that decide on masks alone are left out.
    """
    found = settings_of_run(record["config"])
    own = {name: value for name, value in (found.get("method") or {}).items() if name != "name"}
    own |= {name: found[name] for name, usual in DEFAULTS.items() if (found[name] or usual) != usual}
    if not _has_masks(record):
        own = {name: value for name, value in own.items() if name not in _OF_MASKS}
    if _is_narrower(record):
        own["model.width"] = (found.get("model") or {}).get("width", 1.0)
    if "nproc" in found:  # batch statistics are those of a process
        own["nproc"] = found["nproc"]
    recipe = found.get("recipe") or {}
    return own | {f"recipe.{name}": recipe.get(name) for name in ruleset.shared(record)}


def _is_narrower(record: Record) -> bool:
    """Tell whether a run is of a net whose width follows from the sparsity of the one that it is compared with."""
    return bool(record["config"].get("reference"))


def _has_masks(record: Record) -> bool:
    """Tell whether a run had masks: no dense reference, and no dense net that is narrower or trains for less."""
    if _is_narrower(record) or record["config"].get("budget_share"):
        return False
    known = methods().get(record["method"])
    return known is None or known.masked


def device(record: Record) -> str:
    """Return ``cpu`` or ``cuda``."""
    return str(record["config"].get("device") or ("cuda" if record["provenance"]["gpu"] else "cpu"))


def same_program(one: Identity, other: Identity) -> bool:
    """Tell whether a mean may hold both: same code, environment and data, as far as they are known.

    A run that ended early may not have come to know its data.
    """
    same_data = one.data == other.data or None in (one.data, other.data)
    return one.locked.code == other.locked.code and one.environment == other.environment and same_data


def ways(record: Record) -> list[Made]:
    """Return the ways of making runs that a record stands for.

    They differ in the version of results: a run of version 1 that version 2 would repeat to the bit is of both.
    """
    made = of_record(record).locked
    return [_made(made, version) for version in _versions(made)]


def _made(made: Identity, version: str) -> Made:
    model, shared = made.code["model"] or "", made.code["shared"] or ""
    return Made(version, model, shared, made.data or "", canonical(made.environment))


def _versions(made: Identity) -> list[str]:
    """Return the versions of results under which a run would end as this one did."""
    own = str(made.code["results"])
    try:
        changes = [change.version for change in HISTORY if change.affects(made.settings)]
    except (LookupError, TypeError, ValueError, AttributeError):
        return [own]  # settings that no run of ours has
    found, last = [], "1"
    for version in ("1", *(change.version for change in HISTORY)):
        last = version if version in changes else last
        if last == own:
            found.append(version)
    return found or [own]  # of a version that is not known here


def otherwise_made(record: Record, usual: Made) -> str:
    """Say how a record was made otherwise than a table's other rows; nothing if it was not."""
    own = ways(record)
    if record["status"] != "done":  # one that ended early may not have come to know its data
        own = [made._replace(data=made.data or usual.data) for made in own]
    if usual in own:
        return ""
    words = {"model": "model code", "shared": "shared code", "data": "data", "environment": "image"}
    other = [word for name, word in words.items() if getattr(own[0], name) != getattr(usual, name)]
    version = [] if usual.results in [made.results for made in own] else [f"results version {own[0].results}"]
    return f"made with other {' and '.join([*other, *version])} than most of its table"
