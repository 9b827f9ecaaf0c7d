"""Repeats a run to see whether it reproduces its record."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import config
from harness.budget.kinds import KINDS
from harness.config.typed import require_types
from harness.errors import UsageError, unknown
from harness.executors.execute import execute, require
from harness.plan.planned import plan
from harness.records import Record, metrics
from methods import registry

# On other hardware, or on an accelerator, sums are taken in another order and a run drifts. Accuracy may then differ by
# what seeds differ by; counts may not. Other metrics may differ by a share of their value.
_DRIFT = 0.02
_DRIFT_SHARE = 0.05


def rerun(record: Record, folder: Path, on_event: Callable[[dict[str, Any]], None]) -> list[str]:
    """Train a record's run again here and compare.

    Args:
        record: It passes `harness.audit.submission`.
        folder: Where the new run and its record go; empty.
        on_event: Takes progress events.

    Returns:
        How the new record differs, one line per difference; nothing if it agrees.

    Raises:
        UsageError: Its settings are not of their types; or this machine cannot run it: no container engine, no such
            device, data missing, or a method that is not installed.
    """
    if record["method"] not in registry.methods():
        raise unknown("method", record["method"], registry.methods())
    run = config.from_dict(record["config"])
    require_types(run)
    run.output, run.keep = str(folder), "none"
    # A record of a container is repeated in one, or the comparison would be of two programs.
    run.runner.name = record["runner"]
    (planned,) = plan([run])
    require(planned.run)
    result = execute(planned, on_event).record
    assert result is not None
    if result["status"] != record["status"]:
        return [f"status: {record['status']}, and here {result['status']} ({result['reason'] or 'no reason given'})"]
    if record["provenance"]["data_sha256"] != result["provenance"]["data_sha256"]:
        raise UsageError("the data here have another fingerprint than the record's: nothing can be compared")
    return compare(record, result)


def compare(record: Record, again: Record) -> list[str]:
    """Say how a record and another of the same run differ.

    On one kind of CPU with one version of torch every figure that is no time must be the same; elsewhere what is
    counted must be, for it follows from the configuration, and the metric must be near. Where a method places its
    budget by magnitude, what each layer keeps, and so the FLOPs, drifts with the weights.

    Args:
        record: As submitted.
        again: Of the repetition.
    """
    same_machine = all(record["provenance"][name] == again["provenance"][name] for name in ("cpu", "gpu", "torch"))
    exact = same_machine and record["provenance"]["gpu"] is None
    metric, found = metrics.of(record), []
    scores = {"test": (metrics.test(record), metrics.test(again))}
    scores["val"] = metrics.validation(record["metrics"]), metrics.validation(again["metrics"])
    for split, (before, after) in scores.items():
        if before is None or after is None:
            continue
        tolerance = 0.0 if exact else _allowed(metric, record, before)
        if abs(before - after) > tolerance:
            name = metrics.field(metric, split)
            found.append(f"{name}: {before:.6g}, and here {after:.6g} (± {tolerance:.2g} allowed)")
    timed = KINDS[record["budget"]["kind"]].timed
    for name in () if timed else ("steps", "samples"):
        if record["cost"][name] != again["cost"][name]:
            found.append(f"{name}: {record['cost'][name]}, and here {again['cost'][name]}")
    spent, again_spent = record["cost"]["train_flops"], again["cost"]["train_flops"]
    if not timed and not math.isclose(spent, again_spent, rel_tol=0 if exact else 0.05):
        found.append(f"train_flops: {spent}, and here {again_spent}")
    if record["metrics"]["active"] != again["metrics"]["active"]:
        found.append(f"active: {record['metrics']['active']}, and here {again['metrics']['active']}")
    return found


def _allowed(metric: metrics.Metric, record: Record, value: float) -> float:
    """Return by how much a score may drift: for shares also by the standard errors of a test set this small."""
    if not metric.share:
        return _DRIFT_SHARE * max(abs(value), abs(metrics.test(record) or 0.0))
    share = min(max(metrics.test(record) or 0.0, 0.01), 0.99)
    return _DRIFT + 3 * math.sqrt(share * (1 - share) / record["config"]["dataset"]["test_examples"])
