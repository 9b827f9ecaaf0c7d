"""Rulesets: how the hyper-parameters of a run were chosen decides which runs it is compared with (RULES.md, rule 4)."""

from typing import Any

from harness.records.record import Record

PUBLISHED = "as published"
"""Settings are those of a paper or the defaults of recipe and method; also of records that do not say."""

TUNED = "equally tuned"
"""Every method has had the same number of trials on the validation split."""

TUNABLE = ("lr", "weight_decay", "momentum", "label_smoothing", "warmup_epochs", "gamma")
"""Settings of a recipe that may be tuned; the others say what the task is, or where it is trained."""


def of(record: Record) -> str:
    """Return the ruleset that a record was made under."""
    return TUNED if (record.get("tuning") or {}).get("chosen") == "tuned" else PUBLISHED


def trials(record: Record) -> int | None:
    """Return how many trials the settings of a record were chosen from; None if they were not tuned."""
    return record["tuning"]["trials"] if of(record) == TUNED else None


def space(record: Record) -> dict[str, Any]:
    """Return the ranges that the settings of a record were tuned in, by their full names; empty if they were not."""
    found: dict[str, Any] = record["tuning"].get("space") or {} if of(record) == TUNED else {}
    return found


def shared(record: Record) -> dict[str, str]:
    """Return the tuned ranges of the recipe, in words: those that every method of a table is tuned in."""
    found = {name.partition(".")[2]: form for name, form in space(record).items() if name.startswith("recipe.")}
    return {name: _words(found[name]) for name in sorted(found) if name in TUNABLE}


def words(record: Record) -> str:
    """Return the ruleset of a record and its number of trials, in words."""
    count = trials(record)
    return of(record) + ("" if count is None else f", {count} trials")


def _words(form: Any) -> str:
    return ", ".join(f"{part} {value}" for part, value in sorted(form.items())) if isinstance(form, dict) else str(form)
