"""Schema 1 of a record, as a JSON schema, and the two ways to hold a record against it.

`accepts` answers yes or no in microseconds, because a board may have ten thousand records to look at;
`complaints` asks the jsonschema library for the reasons, which is only worth its time once the answer is no.
A test holds the two against each other.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import jsonschema

VERSION = 1
STATUSES = ("done", "invalid", "diverged", "timeout", "out_of_memory", "interrupted", "failed")
RUNNERS = ("docker", "local")
BUDGET_KINDS = ("epochs", "steps", "flops", "seconds")

Schema = dict[str, Any]


def _object(properties: dict[str, Schema], optional: tuple[str, ...] = (), null: bool = False) -> Schema:
    """Return the schema of an object that has exactly these keys, the ``optional`` ones perhaps not."""
    return {
        "type": ["object", "null"] if null else "object",
        "properties": properties,
        "required": [key for key in properties if key not in optional],
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


TEXT = {"type": "string", "minLength": 1}
MAYBE_TEXT = {"type": ["string", "null"]}
MAYBE_TRUE = {"type": ["boolean", "null"]}
TIME = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
NUMBER = {"type": ["number", "null"]}
AMOUNT = {"type": ["number", "null"], "minimum": 0}
COUNT = {"type": ["integer", "null"], "minimum": 0}
FRACTION = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
SURE_COUNT = {"type": "integer", "minimum": 0}
MAYBE_OBJECT = {"type": ["object", "null"]}

SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "SparseBench record, schema 1",
    **_object(
        {
            "schema": {"enum": [VERSION]},
            "key": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
            "status": {"enum": list(STATUSES)},
            "reason": MAYBE_TEXT,
            "method": TEXT,
            "dataset": TEXT,
            "model": TEXT,
            "sparsity": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            "budget": _object(
                {
                    "kind": {"enum": list(BUDGET_KINDS)},
                    "amount": {"type": "number", "exclusiveMinimum": 0},
                    "stretch": {"type": ["number", "null"], "exclusiveMinimum": 0},
                },
                optional=("stretch",),
            ),
            "seed": SURE_COUNT,
            "runner": {"enum": list(RUNNERS)},
            "metrics": _object(
                {
                    "test_accuracy": FRACTION,
                    "test_top5": FRACTION,
                    "val_accuracy": FRACTION,
                    "test_loss": NUMBER,
                    "sparsity": FRACTION,
                    "active": COUNT,
                    "nonzero": COUNT,
                    "maskable": COUNT,
                    "layer_density": {"type": ["object", "null"], "additionalProperties": FRACTION},
                    "exploration_rate": FRACTION,
                }
            ),
            "cost": _object(
                {
                    "steps": COUNT,
                    "samples": COUNT,
                    "train_flops": COUNT,
                    "train_flops_ratio": AMOUNT,
                    "inference_flops": COUNT,
                    "inference_flops_ratio": AMOUNT,
                    "dense_forward_flops": COUNT,
                    "seconds": _object(dict.fromkeys(("total", "train", "eval", "topology", "setup"), AMOUNT)),
                    "peak_memory_bytes": COUNT,
                    "energy_joules": AMOUNT,
                }
            ),
            "curve": _list(
                _object(
                    {
                        "step": SURE_COUNT,
                        "progress": NUMBER,
                        "train_loss": NUMBER,
                        "val_accuracy": FRACTION,
                        "density": FRACTION,
                        "lr": NUMBER,
                    }
                )
            ),
            "topology": _list(
                _object({"step": SURE_COUNT, "active": _list(SURE_COUNT), "dense_gradient": {"type": "boolean"}})
            ),
            "rounds": _list(
                _object({"round": SURE_COUNT, "step": SURE_COUNT, "density": FRACTION, "val_accuracy": FRACTION})
            ),
            "provenance": _object(
                {
                    "git_commit": MAYBE_TEXT,
                    "git_dirty": MAYBE_TRUE,
                    "image_id": MAYBE_TEXT,
                    "base_digest": MAYBE_TEXT,
                    "lock_sha256": MAYBE_TEXT,
                    "method_sha256": MAYBE_TEXT,
                    "data_sha256": MAYBE_TEXT,
                    "hostname_hash": MAYBE_TEXT,
                    "gpu": _object({"name": TEXT, "driver": MAYBE_TEXT, "count": SURE_COUNT}, null=True),
                    "cpu": MAYBE_TEXT,
                    "python": MAYBE_TEXT,
                    "torch": MAYBE_TEXT,
                    "cuda": MAYBE_TEXT,
                    "cudnn": {"type": ["string", "integer", "null"]},
                    "started": TIME,
                    "finished": TIME,
                    "resumed": MAYBE_TRUE,
                }
            ),
            "config": {
                "type": "object",
                "properties": dict.fromkeys(("dataset", "method", "model", "recipe", "runner"), MAYBE_OBJECT),
            },
        }
    ),
}

# What a run that calls itself done must have measured; everything else may be unknown on some machine.
DONE_NEEDS = (
    ("metrics", "test_accuracy"),
    ("metrics", "sparsity"),
    ("metrics", "active"),
    ("metrics", "nonzero"),
    ("metrics", "maskable"),
    ("cost", "steps"),
    ("cost", "samples"),
    ("cost", "train_flops"),
    ("cost", "inference_flops"),
    ("cost", "dense_forward_flops"),
    ("provenance", "finished"),
)

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


def _any_type(names: list[str]) -> Check:
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


# How each keyword becomes a check of one value; those of objects go together, in `_object_check`.
_KEYWORDS: dict[str, Callable[[Any], Check]] = {
    "type": lambda names: _any_type([names] if isinstance(names, str) else names),
    "enum": lambda allowed: lambda value: not isinstance(value, bool) and value in allowed,
    "minimum": lambda bound: _only("number", lambda value: value >= bound),
    "maximum": lambda bound: _only("number", lambda value: value <= bound),
    "exclusiveMinimum": lambda bound: _only("number", lambda value: value > bound),
    "exclusiveMaximum": lambda bound: _only("number", lambda value: value < bound),
    "minLength": lambda bound: _only("string", lambda value: len(value) >= bound),
    "pattern": lambda rule: _only("string", re.compile(rule).search),
    "items": lambda part: _only("array", _each(compiled(part))),
}
_OF_OBJECTS = ("properties", "required", "additionalProperties")
_FOR_PEOPLE = ("$schema", "title")


def compiled(schema: Schema) -> Check:
    """Turn a JSON schema made of the keywords that `SCHEMA` uses into one function.

    Args:
        schema: The schema.

    Raises:
        KeyError: The schema uses another keyword, which would else be ignored in silence.
    """
    words = [word for word in schema if word not in _OF_OBJECTS + _FOR_PEOPLE]
    checks = [_KEYWORDS[word](schema[word]) for word in words]
    if any(word in schema for word in _OF_OBJECTS):
        checks.append(_only("object", _object_check(schema)))
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
