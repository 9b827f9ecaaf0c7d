"""Whether a run has as few weights as requested, where its sparsity is a result and not a setting."""

from collections.abc import Mapping
from typing import Any

from harness.records.record import Record

SLACK = 0.01
"""How much more of the weights a run may keep than requested, as a share of the requested density."""


def is_result(config: Mapping[str, Any]) -> bool:
    """Tell whether the sparsity of a run is a result.

    A dense net with the training FLOPs of a sparse one has no target: its FLOPs are what it matches.
    """
    return bool(config.get("reaches")) and "budget_share" not in config


def falls_short(record: Record) -> bool:
    """Tell whether a finished run keeps over 1 % more weights than requested: at 0.9, a density above 0.101."""
    return bool(1 - record["metrics"]["sparsity"] > (1 + SLACK) * (1 - record["sparsity"]) + 1e-12)
