"""Schema 1 of a record, as a JSON schema. `harness.records.validate` holds values against it."""

from typing import Any

VERSION = 1
STATUSES = ("done", "invalid", "diverged", "timeout", "out_of_memory", "interrupted", "failed")
RUNNERS = ("docker", "local")
BUDGET_KINDS = ("epochs", "steps", "flops", "seconds")
#: What the trainings of a rewinding method get: a share of the budget, or all of it each, as in the papers.
BUDGET_ROUNDS = ("shared", "each")

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
AT_LEAST_ONE = {"type": ["integer", "null"], "minimum": 1}
MAYBE_OBJECT: Schema = {"type": ["object", "null"]}

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
                    "rounds": {"enum": [*BUDGET_ROUNDS, None]},
                },
                optional=("stretch", "rounds"),
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
                    # Shares of the run in which the GPU was slowed down or at its power limit (`machine.throttling`).
                    "throttled": FRACTION,
                    "power_capped": FRACTION,
                },
                optional=("throttled", "power_capped"),
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
            # Free but for what the board itself reads.
            "config": {
                "type": "object",
                "properties": {
                    **dict.fromkeys(("method", "model", "recipe", "budget", "runner"), MAYBE_OBJECT),
                    "dataset": MAYBE_OBJECT | {"properties": {"test_examples": AT_LEAST_ONE}},
                    "packed": AT_LEAST_ONE,
                },
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
