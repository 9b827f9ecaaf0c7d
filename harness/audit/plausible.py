"""Checks of what cannot be recounted but must be possible: scores, the curve, speed."""

import itertools

from harness.audit import scores, splits
from harness.records import Record, metrics

# No device computes faster than this (FLOP/s): many times the peak of today's.
_FASTEST = {"gpu": 2e16, "cpu": 1e14}


def refusals(record: Record) -> list[str]:
    """Return what cannot be true in a record that is done.

    Args:
        record: A record that keeps its schema.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
    """
    return [*scores.refusals(record), *_curve(record), *_speed(record)]


def _curve(record: Record) -> list[str]:
    curve, steps = record["curve"], record["cost"]["steps"]
    if not curve:
        return ["curve: empty, but a run that is done was evaluated"]
    found = []
    places = [point["step"] for point in curve]
    if any(after <= before for before, after in itertools.pairwise(places)) or places[-1] > steps:
        found.append("curve: steps must increase, up to the last step of the run")
    progress = [-1.0 if point["progress"] is None else point["progress"] for point in curve]
    if progress != sorted(progress) or progress[0] < 0 or progress[-1] > 1 + 1e-9:
        found.append("curve: progress must not decrease and must stay within 0 and 1")
    if progress[-1] < 0.999:
        found.append(f"curve: it ends at progress {progress[-1]:g}, before the run did")
    last, claimed = splits.last_validation(record), metrics.validation(record["metrics"])
    if last != claimed:
        name = metrics.field(metrics.of(record), "val")
        found.append(f"{name}: {claimed}, but the curve ends with {last}")
    return found


def _speed(record: Record) -> list[str]:
    gpu, seconds = record["provenance"]["gpu"], record["cost"]["seconds"]["train"]
    if not seconds:
        return []  # `harness.audit.submission` refuses that already
    fastest = _FASTEST["gpu"] * max(gpu["count"], 1) if gpu else _FASTEST["cpu"]
    rate = record["cost"]["train_flops"] / seconds
    if rate > fastest:
        return [f"seconds.train: {seconds:g} s would be {rate:.2g} FLOP/s, faster than any hardware"]
    return []
