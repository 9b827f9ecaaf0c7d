"""Two ways to hold a value against the schema of records.

`accepts` answers yes or no in microseconds, because a board may have ten thousand records to look at; `complaints`
asks the jsonschema library for the reasons, which is only worth its time once the answer is no. A test holds the two
against each other.
"""

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import jsonschema

from harness.records.schema import SCHEMA, Schema

Check = Callable[[Any], Any]  # read as true or false

# bool is left out of the numbers, as JSON has it; type() rather than isinstance() does that, and is faster.
_TYPES: dict[str, frozenset[type]] = {
    "null": frozenset({type(None)}),
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "string": frozenset({str}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
}


def _any_type(names: str | list[str]) -> Check:
    names = [names] if isinstance(names, str) else names
    kinds = frozenset().union(*(_TYPES[name] for name in names))
    if "integer" in names and "number" not in names:  # JSON schema counts 3.0 as an integer
        return lambda value: type(value) in kinds or (type(value) is float and value.is_integer())
    return lambda value: type(value) in kinds


def _only(kind: str, check: Check) -> Check:
    """Apply a check to values of one type and pass all others, as JSON schema has it for bounds."""
    kinds = _TYPES[kind]
    return lambda value: type(value) not in kinds or check(value)


def _each(check: Check) -> Check:
    return lambda values: all(map(check, values))


def _object_check(schema: Schema) -> Check:
    known = {key: compiled(part) for key, part in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    extra = schema.get("additionalProperties", True)
    other: Check = compiled(extra) if isinstance(extra, dict) else (lambda _: extra)

    def check(value: dict[str, Any]) -> bool:
        if not required <= value.keys():
            return False
        for key, part in value.items():  # noqa: SIM110 - all() over a generator takes half as long again
            if not known.get(key, other)(part):
                return False
        return True

    return check


def _bounds(schema: Schema) -> Check:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    if above == -below == -math.inf:
        return _only("number", lambda value: low <= value <= high)
    return _only("number", lambda value: low <= value <= high and above < value < below)


# Keywords that are checked together, and how; each is made only if one of its words is there.
_TOGETHER: list[tuple[tuple[str, ...], Callable[[Schema], Check]]] = [
    (("type",), lambda schema: _any_type(schema["type"])),
    (("enum",), lambda schema: lambda value: not isinstance(value, bool) and value in schema["enum"]),
    (("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _bounds),
    (("minLength",), lambda schema: _only("string", lambda value: len(value) >= schema["minLength"])),
    (("pattern",), lambda schema: _only("string", re.compile(schema["pattern"]).search)),
    (("items",), lambda schema: _only("array", _each(compiled(schema["items"])))),
    (("properties", "required", "additionalProperties"), lambda schema: _only("object", _object_check(schema))),
    (("$schema", "title"), lambda _: lambda _: True),
]


def compiled(schema: Schema) -> Check:
    """Turn a JSON schema made of the keywords that `SCHEMA` uses into one function.

    Args:
        schema: The schema.

    Raises:
        ValueError: The schema uses another keyword, which would else be ignored in silence.
    """
    if unknown := set(schema).difference(*(words for words, _ in _TOGETHER)):
        raise ValueError(f"the fast check knows nothing of {', '.join(sorted(unknown))}")
    checks = [make(schema) for words, make in _TOGETHER if any(word in schema for word in words)]
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)
    return lambda value: all(check(value) for check in checks)


@cache
def _whole() -> Check:
    return compiled(SCHEMA)


def accepts(record: Any) -> bool:
    """Tell whether a value read from JSON satisfies `SCHEMA`, fast and without a reason."""
    return bool(_whole()(record))


def complaints(record: Any) -> list[str]:
    """Return each way in which a value breaks `SCHEMA`, as ``place: what is wrong``, sorted by place."""
    found = jsonschema.Draft202012Validator(SCHEMA).iter_errors(record)
    lines = []
    for error in sorted(found, key=lambda error: [str(part) for part in error.absolute_path]):
        place = ".".join(str(part) for part in error.absolute_path)
        message = error.message if len(error.message) <= 200 else error.message[:197] + "..."
        lines.append(f"{place}: {message}" if place else message)
    return lines
