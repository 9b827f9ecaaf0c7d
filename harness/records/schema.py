"""Schemas 1 and 2 of a record, as one JSON schema; `harness.records.validate` checks values against it.

Schema 2 adds ``code`` and ``image`` to schema 1. Every string, list and number is bounded, so that a record from a
stranger can be read, compared and drawn without surprises. To add a key, add it to `SCHEMA`; name it in `ADDED` if
records may lack it because they were made before it existed, and in `RARE` if only some runs have it.
"""

from typing import Any

from harness.records import naming
from harness.records.provenance_schema import PROVENANCE
from harness.records.reliability_schema import RELIABILITY
from harness.records.shapes import (
    AMOUNT,
    ANY,
    AT_LEAST_ONE,
    COUNT,
    FRACTION,
    KEY,
    LEVELS,
    LONGEST_BITS,
    LONGEST_REASON,
    LOSS,
    MAYBE_NAME,
    MOST_LAYERS,
    NAME,
    SHA256,
    SPENT,
    STEP,
    Schema,
    by_layer,
    digest,
    items,
    keys,
    named,
    text,
)
from harness.vocabulary import BUDGET_ROUNDS, RUNNERS, STATUSES, TUNING

VERSIONS = (1, 2)
VERSION = 2
"""The schema of the records that are written today."""

ADDED: dict[str, Any] = {
    "code": {"results": "1", "method": None, "model": None, "shared": None},
    "image": None,
}
"""Keys that schema 1 lacks, and what they are taken to be when such a record is read (`record.upgrade`)."""

RARE = (
    *("active_neurons", "probe", "unlimited", "ranks", "looks", "package", "tuning", "network", "reliability", "core"),
    "test_more",
)
"""Keys that a record has only where its run has something to say in them."""

_MOST_POINTS = 100_000
_MOST_EVENTS = 1_000_000

# Of these a record has those of its task alone (`harness.records.naming`).
METRICS = keys(
    {
        "test_accuracy": FRACTION,
        "test_top5": FRACTION,
        "val_accuracy": FRACTION,
        "test_score": LOSS,
        "val_score": LOSS,
        # Further measures on the test set, by name.
        "test_more": named(LOSS),
        "test_loss": LOSS,
        "sparsity": FRACTION,
        "active": COUNT,
        "nonzero": COUNT,
        "maskable": COUNT,
        "layer_density": by_layer(FRACTION),
        "exploration_rate": FRACTION,
        # Of runs whose pattern is a constant fan-in: neurons of each layer that have an active weight.
        "active_neurons": by_layer(STEP),
        # Which test samples were classified correctly (`harness.records.bits`).
        "test_right": text(LONGEST_BITS),
    },
    optional=(*naming.OF_ACCURACY, *naming.OF_OTHERS, "active_neurons"),
)

COST = keys(
    {
        "steps": COUNT,
        "samples": COUNT,
        "train_flops": COUNT,
        "train_flops_ratio": AMOUNT,
        "inference_flops": COUNT,
        "inference_flops_ratio": AMOUNT,
        "dense_forward_flops": COUNT,
        # What the method computed before the first step; `samples` and `train_flops` include it.
        "probe": keys({"samples": COUNT, "flops": COUNT}, null=True),
        "seconds": keys(dict.fromkeys(("total", "train", "eval", "topology", "setup"), AMOUNT)),
        "peak_memory_bytes": COUNT,
        "energy_joules": AMOUNT,
        # Shares of the run: with the GPU slowed down, at its power limit, on a core where that is too little of it.
        **dict.fromkeys(("throttled", "power_capped", "core"), FRACTION),
    },
    optional=("probe", "throttled", "power_capped", "core"),
)

CODE = keys(
    {
        "results": {"type": "string", "pattern": "^[0-9]{1,9}$"},
        **dict.fromkeys(("method", "model", "shared"), digest(64)),
    }
)
IMAGE = keys({"content": MAYBE_NAME, "base": MAYBE_NAME}, null=True)

# How the hyper-parameters were chosen (RULES.md, 4).
TUNED = keys(
    {"chosen": {"enum": list(TUNING)}, "space": ANY, "trials": COUNT, "flops": COUNT, "split": MAYBE_NAME},
    optional=("space", "trials", "flops", "split"),
    null=True,
)

# The file of the network that was kept of a run (`harness.networks`).
NETWORK = keys({"bytes": STEP, "sha256": SHA256})

BUDGET = keys(
    {
        "kind": NAME | {"pattern": "^[a-z][a-z0-9_]*$"},  # `harness.budget.kinds` knows which there are
        "amount": SPENT,
        "stretch": {**SPENT, "type": ["number", "null"]},
        "rounds": {"enum": [*BUDGET_ROUNDS, None]},
    },
    optional=("stretch", "rounds"),
)

VALIDATED = {"val_accuracy": FRACTION, "val_score": LOSS}
POINT = keys(
    {"step": STEP, "progress": AMOUNT, "train_loss": LOSS, **VALIDATED, "density": FRACTION, "lr": AMOUNT},
    optional=tuple(VALIDATED),
)
ROUND = keys({"round": STEP, "step": STEP, "density": FRACTION, **VALIDATED}, optional=tuple(VALIDATED))

TOPOLOGY = keys(
    {
        "step": STEP,
        "active": items(STEP, MOST_LAYERS),
        # Weights whose gradient is computed in the iterations that follow, where they are not the active ones.
        "gradient": items(STEP, MOST_LAYERS),
        "dense_gradient": {"type": "boolean"},
    },
    optional=("gradient",),
)

# What `harness.records.metrics.Metric.described` returns; empty for a classification.
METRIC: Schema = {
    "type": "object",
    "properties": {
        "name": NAME,
        "label": NAME,
        "higher": {"type": "boolean"},
        "scale": SPENT,
        "digits": {"type": "integer", "minimum": 0, "maximum": 12},
        **dict.fromkeys(("lowest", "highest"), LOSS),
    },
    "additionalProperties": False,
}

# Free but for what the board itself reads.
CONFIG: Schema = {
    "type": "object",
    "$ref": "#/$defs/level0",
    "properties": {
        **dict.fromkeys(("method", "model", "recipe", "budget", "runner"), ANY),
        "dataset": ANY | {"properties": {"test_examples": AT_LEAST_ONE, "task": NAME, "metric": METRIC}},
        "packed": AT_LEAST_ONE,
    },
}

SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": f"SparseBench record, schema {VERSION}",
    "$defs": LEVELS,
    **keys(
        {
            "schema": {"enum": list(VERSIONS)},
            "key": KEY,
            "status": {"enum": list(STATUSES)},
            "reason": text(LONGEST_REASON),
            "method": NAME,
            "dataset": NAME,
            "model": NAME,
            "sparsity": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            "budget": BUDGET,
            "seed": STEP,
            "runner": {"enum": list(RUNNERS)},
            "code": CODE,
            "image": IMAGE,
            "metrics": METRICS,
            "cost": COST,
            "curve": items(POINT, _MOST_POINTS),
            "topology": items(TOPOLOGY, _MOST_EVENTS),
            "rounds": items(ROUND, _MOST_POINTS),
            "tuning": TUNED,
            "network": NETWORK,
            "reliability": RELIABILITY,
            "provenance": PROVENANCE,
            "config": CONFIG,
        },
        optional=(*ADDED, "tuning", "network", "reliability"),
    ),
    # Records of schema 1 lack what schema 2 added, unless they have been upgraded in memory.
    "if": {"properties": {"schema": {"const": 1}}},
    "else": {"required": list(ADDED)},
}

DONE_NEEDS = (
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
"""What a run that calls itself done must have measured, besides the metric of its task on the test set: a trial of
tuning leaves that alone."""
