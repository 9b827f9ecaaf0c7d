"""Checks a value against the schema of records and says in words what is wrong.

The jsonschema-rs library decides; this module bounds and words its reasons.
"""

import contextlib
import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.console import printable
from harness.records import metrics, naming
from harness.records.record import is_trial
from harness.records.schema import DONE_NEEDS, SCHEMA, VERSIONS

if TYPE_CHECKING:
    import jsonschema_rs

_MOST_REASONS = 100
_MOST_NAMED = 3
_LONGEST_LINE = 300


class RecordError(ValueError):
    """A record breaks the schema; the message says how."""


@cache
def _validator() -> "jsonschema_rs.Draft202012Validator":
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(SCHEMA)


def validate(record: Any) -> list[str]:
    """Return what is wrong with a record, as ``place: what is wrong``; empty if it keeps its schema.

    Args:
        record: Any value made of what JSON can hold, usually by `harness.records.store.parse`, which refuses the
            text that no schema can judge (lone surrogates, values nested without end).
    """
    try:
        if not _validator().is_valid(record):
            return _complaints(record)
    except ValueError as error:  # not something that JSON can hold
        return [one_line(str(error))]
    if wrong := naming.problems(record):
        return wrong[:_MOST_REASONS]
    if record["status"] != "done":
        return []
    lacking = [f"{part}.{name}" for part, name in DONE_NEEDS if record[part][name] is None]
    if metrics.test(record) is None and not is_trial(record):
        lacking.insert(0, f"metrics.{metrics.field(metrics.of(record), 'test')}")
    return [f"{place}: missing, but the run is done" for place in lacking]


def require(record: Any) -> None:
    """Raise `RecordError` unless the record keeps its schema."""
    refuse(validate(record))


def refuse(problems: Sequence[str]) -> None:
    """Raise `RecordError` if there are problems, with the first of them."""
    if problems:
        more = f" (and {len(problems) - _MOST_NAMED} more)" if len(problems) > _MOST_NAMED else ""
        raise RecordError("; ".join(problems[:_MOST_NAMED]) + more)


def _complaints(record: Any) -> list[str]:
    version = record.get("schema") if isinstance(record, dict) else None
    if version is not None and (type(version) is not int or version not in VERSIONS):
        return [one_line(f"schema: {version!r} is not {' or '.join(map(str, VERSIONS))}, which this version reads")]
    errors = itertools.islice(_validator().iter_errors(record), _MOST_REASONS)
    return [
        _complaint(record, error) for error in sorted(errors, key=lambda error: list(map(str, error.instance_path)))
    ]


def _complaint(record: Any, error: "jsonschema_rs.ValidationError") -> str:
    value, place = record, ".".join(map(str, error.instance_path))
    with contextlib.suppress(LookupError):  # the library leaves empty keys out of a path
        for key in error.instance_path:
            value = value[key]
    message = error.message
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{value} is not a finite number"  # the library takes it for null
    elif error.kind.name == "enum":  # the library names two of them only
        allowed = getattr(error.kind, "options", [])
        message = f"{value!r} is not one of {', '.join(map(str, allowed))}"
    return one_line(f"{place}: {message}" if place else message)


def one_line(text: str) -> str:
    """Make text safe to print on one line: control characters as escapes, the middle cut out if it is long."""
    return printable(shortened(text, _LONGEST_LINE))


def shortened(text: str, longest: int) -> str:
    """Cut the middle out of a text with more than ``longest`` characters: what matters is at its ends."""
    if len(text) <= longest:
        return text
    half = longest // 2 - 3
    return f"{text[:half]} ... {text[-half:]}"
