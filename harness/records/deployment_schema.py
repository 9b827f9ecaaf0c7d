"""The schema of a deployment; `harness.records.deployments` checks values against it.

Every string, list and number is bounded, as in records.
"""

from harness.records.shapes import (
    AMOUNT,
    FRACTION,
    KEY,
    LONGEST_REASON,
    MAYBE_NAME,
    MAYBE_TRUE,
    MOST_LAYERS,
    MOST_NAMES,
    NAME,
    SHA256,
    SHARE,
    SPENT,
    STEP,
    TIME,
    Schema,
    items,
    keys,
    text,
)

VERSION = 1
"""The schema of the deployments that are written today."""

TOLERANCES = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 5e-2}
"""By precision, how far an output may be from dense, as a fraction of the largest dense output: sums are taken in
another order."""

PRECISIONS = tuple(TOLERANCES)
"""Types of weights and activations that a network can be deployed in."""

LEAST_REPEATS, MOST_REPEATS = 7, 1000
"""Bounds of the samples of each format: fewer than 6 have no 95 % interval of their median."""

BATCHES = (1, 32)
"""Samples that are computed at a time: one as it comes, and many at once."""

DENSE = "dense"
"""The format that every other is compared with."""

_MOST_BATCHES = 16
_SIZE: Schema = {**STEP, "minimum": 1}
_SHAPE = items(_SIZE, 16)
_MAYBE_SPENT: Schema = {**SPENT, "type": ["number", "null"]}
_REASON = text(LONGEST_REASON)
_DIFFERENCE: Schema = {**AMOUNT, "type": "number"}

# Medians of seconds; and the median of the ratios of neighbouring repeats, with the ends of its 95 % interval.
_RATIO = {"dense_seconds": SPENT, "seconds": SPENT, "speedup": SPENT, "low": _MAYBE_SPENT, "high": _MAYBE_SPENT}

_FORMAT = keys({"name": NAME, "speedup": _MAYBE_SPENT, "refused": _REASON})
_AT_BATCH = keys({"batch": _SIZE, "chosen": NAME, "dense_seconds": SPENT, "formats": items(_FORMAT, MOST_NAMES)})
_LAYER = keys(
    {
        "name": NAME,
        "kind": NAME,
        "shape": _SHAPE,
        "density": FRACTION,
        "batches": items(_AT_BATCH, _MOST_BATCHES),
        # Why it stays dense, where it was not measured.
        "refused": _REASON,
    }
)

_LATENCY = keys({"batch": _SIZE, **_RATIO, "error": _DIFFERENCE, "sparse_layers": STEP})

_TRAINING = keys(
    {
        "library": MAYBE_NAME,
        "batch": _SIZE,
        "layers": items(keys({"name": NAME, "shape": _SHAPE, **_RATIO}), MOST_LAYERS),
        "all": keys(_RATIO, null=True),
        "error": AMOUNT,
        "refused": _REASON,
    },
    null=True,
)

_NETWORK = keys(
    {
        "sha256": SHA256,
        "bytes": _SIZE,
        "zstd_bytes": _SIZE,
        # Of a file with every weight in its place, zeros included.
        "dense_bytes": _SIZE,
        "dense_zstd_bytes": _SIZE,
        "zstd_level": STEP,
    }
)

_CONDITIONS = keys(
    {
        "device": {"enum": ["cpu", "cuda"]},
        "precision": {"enum": list(PRECISIONS)},
        "threads": _SIZE,
        "cpu": MAYBE_NAME,
        "gpu": MAYBE_NAME,
        "torch": NAME,
    }
)

SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": f"SparseBench deployment, schema {VERSION}",
    **keys(
        {
            "deployment": {"enum": [VERSION]},
            # Of the run that the network is of.
            "key": KEY,
            "network": _NETWORK,
            "about": keys(
                {
                    "method": NAME,
                    "dataset": NAME,
                    "model": NAME,
                    "sparsity": SHARE,
                    "seed": STEP,
                    "density": SHARE,
                }
            ),
            "conditions": _CONDITIONS,
            # FLOPs of a sample as a multiple of the same network's without masks.
            "flops_ratio": AMOUNT,
            "repeats": {"type": "integer", "minimum": LEAST_REPEATS, "maximum": MOST_REPEATS},
            # How far an output may be from dense, as a fraction of the largest dense output.
            "tolerance": SPENT,
            "latency": items(_LATENCY, _MOST_BATCHES),
            "layers": items(_LAYER, MOST_LAYERS),
            "training": _TRAINING,
            "provenance": keys(
                {"measured": TIME, "git_commit": MAYBE_NAME, "git_dirty": MAYBE_TRUE, "python": MAYBE_NAME}
            ),
        }
    ),
}
