"""Schemas of the reliability of a model: the group of that name in records, and the files of what is measured later."""

from harness.records.shapes import KEY, MAYBE_NAME, MAYBE_TRUE, SHA256, SHARE, STEP, TIME, Schema, items, keys
from harness.vocabulary import CORRUPTIONS

VERSION = 1
"""Of the files."""

BINS = 15
"""Of the calibration errors that the board shows: those over other bins are not comparable."""

_MOST_SEEDS = 1000

# Calibration and accuracy under corruptions of the final weights on the test set (docs/reliability.md).
_BOTH: Schema = {**items(SHARE, 2), "minItems": 2}
RELIABILITY = keys(
    {
        "bins": {"type": "integer", "minimum": 1, "maximum": 1000},
        "ece": SHARE,
        "brier": {"type": "number", "minimum": 0, "maximum": 2},
        # Accuracies at each severity, and the mean of them all.
        "corruptions": keys({**dict.fromkeys(CORRUPTIONS, _BOTH), "mean": SHARE}),
    },
    optional=("corruptions",),
)

_MADE = keys(
    {
        "torch": MAYBE_NAME,
        "cpu": MAYBE_NAME,
        "gpu": MAYBE_NAME,
        "hostname_hash": MAYBE_NAME,
        "git_commit": MAYBE_NAME,
        "git_dirty": MAYBE_TRUE,
        "finished": TIME,
    }
)
_VERSION: Schema = {"const": VERSION}
_SCORES = RELIABILITY["properties"] | {"bins": {"const": BINS}}
_RUN = keys(
    {
        "schema": _VERSION,
        "of": {"const": "run"},
        "key": KEY,
        "network": SHA256,
        "accuracy": SHARE,
        "reliability": {**RELIABILITY, "properties": _SCORES},
        "provenance": _MADE,
    }
)
_ROW = keys(
    {
        "schema": _VERSION,
        "of": {"const": "row"},
        "runs": {**items(keys({"seed": STEP, "key": KEY, "network": SHA256}), _MOST_SEEDS), "minItems": 2},
        "agreement": SHARE,
        "ensemble": keys({"accuracy": SHARE, **{name: _SCORES[name] for name in ("bins", "ece", "brier")}}),
        "provenance": _MADE,
    }
)
SCHEMAS = {"run": _RUN, "row": _ROW}
"""Of files, by what they are of."""
