"""What the schema of records is built from: objects, lists, texts and numbers, each with its bounds."""

from typing import Any

Schema = dict[str, Any]

LONGEST_NAME = 200
LONGEST_REASON = 10_000
LONGEST_BITS = 200_000
"""Characters of one bit a sample in base64: enough for over a million samples."""
MOST_LAYERS = 10_000
MOST_NAMES = 1000
_LONGEST_TEXT = 10_000
_INT64 = 2**63 - 1  # bounds that fit into 64 bits are checked ten times as fast as others
_LARGEST_COUNT = 10**30  # FLOPs may exceed 64 bits
_LARGEST_LOSS = 1e100  # its square is still finite
_DEEPEST = 8  # levels of lists and objects inside the config


def keys(properties: dict[str, Schema], optional: tuple[str, ...] = (), null: bool = False) -> Schema:
    """Return the schema of an object with exactly these keys, of which the ``optional`` ones may be missing."""
    return {
        "type": ["object", "null"] if null else "object",
        "properties": properties,
        "required": [key for key in properties if key not in optional],
        "additionalProperties": False,
    }


def items(each: Schema, most: int) -> Schema:
    """Return the schema of a list of at most ``most`` values."""
    return {"type": "array", "items": each, "maxItems": most}


def by_layer(each: Schema) -> Schema:
    """Return the schema of an object with a value for each layer, or null."""
    return {
        "type": ["object", "null"],
        "propertyNames": {"maxLength": LONGEST_NAME},
        "maxProperties": MOST_LAYERS,
        "additionalProperties": each,
    }


def named(each: Schema) -> Schema:
    """Return the schema of an object with values under any names."""
    return {**by_layer(each), "type": "object", "maxProperties": MOST_NAMES}


def text(longest: int) -> Schema:
    """Return the schema of a text of at most ``longest`` characters, or null."""
    return {"type": ["string", "null"], "maxLength": longest}


def digest(digits: int) -> Schema:
    """Return the schema of so many hexadecimal digits, or null."""
    return {"type": ["string", "null"], "pattern": f"^[0-9a-f]{{{digits}}}$"}


KEY: Schema = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
MAYBE_NAME = text(LONGEST_NAME)
MAYBE_TRUE: Schema = {"type": ["boolean", "null"]}
TIME: Schema = {
    "type": ["string", "null"],
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$",
}
LOSS: Schema = {"type": ["number", "null"], "minimum": -_LARGEST_LOSS, "maximum": _LARGEST_LOSS}
AMOUNT: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": _INT64}
SPENT: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": _INT64}
COUNT: Schema = {"type": ["integer", "null"], "minimum": 0, "maximum": _LARGEST_COUNT}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
FRACTION: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
STEP: Schema = {"type": "integer", "minimum": 0, "maximum": _INT64}
AT_LEAST_ONE: Schema = {"type": ["integer", "null"], "minimum": 1, "maximum": _INT64}
ANY: Schema = {"type": ["object", "null"], "$ref": "#/$defs/level1"}
"""Any bounded object; `LEVELS` must be among the definitions of the schema."""


def _free(level: int) -> Schema:
    """Return the schema of any bounded value that may hold further values down to the deepest level."""
    inner: Schema = {"$ref": f"#/$defs/level{level + 1}"}
    bounds = {"minimum": -_INT64, "maximum": _INT64, "maxLength": _LONGEST_TEXT}
    if level == _DEEPEST:
        return {"type": ["string", "number", "boolean", "null"], **bounds}
    return {
        "type": ["object", "array", "string", "number", "boolean", "null"],
        **bounds,
        "propertyNames": {"maxLength": LONGEST_NAME},
        "maxProperties": MOST_LAYERS,
        "additionalProperties": inner,
        "items": inner,
        "maxItems": MOST_LAYERS,
    }


LEVELS: dict[str, Schema] = {f"level{level}": _free(level) for level in range(_DEEPEST + 1)}
"""Definitions of any bounded value, by how deep it may lie; ``level0`` is the outermost."""
