"""Schemas 1 and 2 of a record, as one JSON schema; `harness.records.validate` checks values against it.

Schema 2 adds ``code`` and ``image`` to schema 1. Every string, list and number is bounded, so that a record from a
stranger can be read, compared and drawn without surprises. To add a key, add it to `SCHEMA`; name it in `ADDED` if
records may lack it, because they were made before it existed.
"""

from typing import Any

from harness.vocabulary import BUDGET_ROUNDS, RUNNERS, STATUSES

VERSIONS = (1, 2)
VERSION = 2
"""The schema of the records that are written today."""

ADDED: dict[str, Any] = {
    "code": {"results": "1", "method": None, "model": None, "shared": None},
    "image": None,
}
"""Keys that schema 1 lacks, and what they are taken to be when such a record is read (`record.upgrade`)."""

Schema = dict[str, Any]

_LONGEST_NAME = 200
LONGEST_REASON = 10_000
_LONGEST_TEXT = 10_000
_MOST_POINTS = 100_000
_MOST_EVENTS = 1_000_000
_MOST_LAYERS = 10_000
_MOST_NAMES = 1000
_INT64 = 2**63 - 1  # bounds that fit into 64 bits are checked ten times as fast as others
_LARGEST_COUNT = 10**30  # FLOPs may exceed 64 bits
_LARGEST_LOSS = 1e100  # its square is still finite
_DEEPEST = 8  # levels of lists and objects inside the config


def _object(properties: dict[str, Schema], optional: tuple[str, ...] = (), null: bool = False) -> Schema:
    """Return the schema of an object with exactly these keys, of which the ``optional`` ones may be missing."""
    return {
        "type": ["object", "null"] if null else "object",
        "properties": properties,
        "required": [key for key in properties if key not in optional],
        "additionalProperties": False,
    }


def _list(items: Schema, most: int) -> Schema:
    return {"type": "array", "items": items, "maxItems": most}


def _text(longest: int) -> Schema:
    return {"type": ["string", "null"], "maxLength": longest}


def _digest(digits: int) -> Schema:
    return {"type": ["string", "null"], "pattern": f"^[0-9a-f]{{{digits}}}$"}


NAME = {"type": "string", "minLength": 1, "maxLength": _LONGEST_NAME}
MAYBE_NAME = _text(_LONGEST_NAME)
MAYBE_TRUE = {"type": ["boolean", "null"]}
TIME = {
    "type": ["string", "null"],
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$",
}
LOSS = {"type": ["number", "null"], "minimum": -_LARGEST_LOSS, "maximum": _LARGEST_LOSS}
AMOUNT = {"type": ["number", "null"], "minimum": 0, "maximum": _INT64}
COUNT = {"type": ["integer", "null"], "minimum": 0, "maximum": _LARGEST_COUNT}
FRACTION = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
STEP = {"type": "integer", "minimum": 0, "maximum": _INT64}
AT_LEAST_ONE = {"type": ["integer", "null"], "minimum": 1, "maximum": _INT64}

METRICS = _object(
    {
        "test_accuracy": FRACTION,
        "test_top5": FRACTION,
        "val_accuracy": FRACTION,
        "test_loss": LOSS,
        "sparsity": FRACTION,
        "active": COUNT,
        "nonzero": COUNT,
        "maskable": COUNT,
        "layer_density": {
            "type": ["object", "null"],
            "propertyNames": {"maxLength": _LONGEST_NAME},
            "maxProperties": _MOST_LAYERS,
            "additionalProperties": FRACTION,
        },
        "exploration_rate": FRACTION,
    }
)

COST = _object(
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
        # Shares of the run during which the GPU was slowed down or at its power limit (`harness.machine.throttling`).
        "throttled": FRACTION,
        "power_capped": FRACTION,
    },
    optional=("throttled", "power_capped"),
)

PROVENANCE = _object(
    {
        "git_commit": MAYBE_NAME,
        "git_dirty": MAYBE_TRUE,
        "image_id": MAYBE_NAME,
        "base_digest": MAYBE_NAME,
        "lock_sha256": MAYBE_NAME,
        "method_sha256": MAYBE_NAME,
        "data_sha256": MAYBE_NAME,
        "hostname_hash": MAYBE_NAME,
        "gpu": _object({"name": NAME, "driver": MAYBE_NAME, "count": STEP}, null=True),
        "cpu": MAYBE_NAME,
        "python": MAYBE_NAME,
        "torch": MAYBE_NAME,
        "cuda": MAYBE_NAME,
        "cudnn": {"type": ["string", "integer", "null"], "maxLength": _LONGEST_NAME, "minimum": 0, "maximum": _INT64},
        "started": TIME,
        "finished": TIME,
        "resumed": MAYBE_TRUE,
        # Operators without a deterministic algorithm that the run used.
        "nondeterministic": {"type": ["array", "null"], "items": NAME, "maxItems": _MOST_NAMES},
    },
    optional=("nondeterministic",),
)

CODE = _object(
    {
        "results": {"type": "string", "pattern": "^[0-9]{1,9}$"},
        "method": _digest(64),
        "model": _digest(64),
        "shared": _digest(64),
    }
)
IMAGE = _object({"content": MAYBE_NAME, "base": MAYBE_NAME}, null=True)


def _free(level: int) -> Schema:
    """Return the schema of any bounded value that may hold further values down to the deepest level."""
    inner: Schema = {"$ref": f"#/$defs/level{level + 1}"}
    bounds = {"minimum": -_INT64, "maximum": _INT64, "maxLength": _LONGEST_TEXT}
    if level == _DEEPEST:
        return {"type": ["string", "number", "boolean", "null"], **bounds}
    return {
        "type": ["object", "array", "string", "number", "boolean", "null"],
        **bounds,
        "propertyNames": {"maxLength": _LONGEST_NAME},
        "maxProperties": _MOST_LAYERS,
        "additionalProperties": inner,
        "items": inner,
        "maxItems": _MOST_LAYERS,
    }


_PART: Schema = {"type": ["object", "null"], "$ref": "#/$defs/level1"}

# Free but for what the board itself reads.
CONFIG: Schema = {
    "type": "object",
    "$ref": "#/$defs/level0",
    "properties": {
        **dict.fromkeys(("method", "model", "recipe", "budget", "runner"), _PART),
        "dataset": _PART | {"properties": {"test_examples": AT_LEAST_ONE}},
        "packed": AT_LEAST_ONE,
    },
}

SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": f"SparseBench record, schema {VERSION}",
    "$defs": {f"level{level}": _free(level) for level in range(_DEEPEST + 1)},
    **_object(
        {
            "schema": {"enum": list(VERSIONS)},
            "key": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
            "status": {"enum": list(STATUSES)},
            "reason": _text(LONGEST_REASON),
            "method": NAME,
            "dataset": NAME,
            "model": NAME,
            "sparsity": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            "budget": _object(
                {
                    "kind": NAME | {"pattern": "^[a-z][a-z0-9_]*$"},  # `harness.budget.kinds` knows which there are
                    "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": _INT64},
                    "stretch": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": _INT64},
                    "rounds": {"enum": [*BUDGET_ROUNDS, None]},
                },
                optional=("stretch", "rounds"),
            ),
            "seed": STEP,
            "runner": {"enum": list(RUNNERS)},
            "code": CODE,
            "image": IMAGE,
            "metrics": METRICS,
            "cost": COST,
            "curve": _list(
                _object(
                    {
                        "step": STEP,
                        "progress": AMOUNT,
                        "train_loss": LOSS,
                        "val_accuracy": FRACTION,
                        "density": FRACTION,
                        "lr": AMOUNT,
                    }
                ),
                _MOST_POINTS,
            ),
            "topology": _list(
                _object({"step": STEP, "active": _list(STEP, _MOST_LAYERS), "dense_gradient": {"type": "boolean"}}),
                _MOST_EVENTS,
            ),
            "rounds": _list(
                _object({"round": STEP, "step": STEP, "density": FRACTION, "val_accuracy": FRACTION}), _MOST_POINTS
            ),
            "provenance": PROVENANCE,
            "config": CONFIG,
        },
        optional=tuple(ADDED),
    ),
    # Records of schema 1 lack what schema 2 added, unless they have been upgraded in memory.
    "if": {"properties": {"schema": {"const": 1}}},
    "else": {"required": list(ADDED)},
}

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
"""What a run that calls itself done must have measured; everything else may be unknown on some machine."""
