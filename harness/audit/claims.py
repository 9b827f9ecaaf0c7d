"""The judge of claims: checks what a container left before any of it is believed."""

import math
import os
import stat
from pathlib import Path
from typing import IO, Any

from harness.audit import counts, promised, recount, reliability
from harness.records import Record, RecordError, bits, empty, metrics, store

STARTUP_SECONDS = 60.0
"""What a container may spend before a run's own clock starts and after it stops (imports, on a slow disk)."""
LOSS_TOLERANCE = 1e-3
MARK = "sparsebench-referee:"
"""Starts the line in which the referee prints its findings; libraries may print others."""
DESCRIBED = ("layers", "fixed_flops", "train_fixed_flops", "train_samples")
"""What a record adds to its config (`harness.budget.costs.Costs.described`); the referee finds the same."""
DIFFERENT = 2
"""Samples that may be classified otherwise outside: a pair, whose changes leave the accuracy as it was."""


class UntrustedFileError(ValueError):
    """A file that a container left is not what it should be."""


def read_record(path: Path) -> Record:
    """Read a record that a container left, without following a link out of its folder.

    Raises:
        UntrustedFileError: It is missing, not a regular file, too large, or not a record.
    """
    with open_plain(path, store.LARGEST) as file:
        content = file.read(store.LARGEST)
    try:
        return store.parse(content)
    except RecordError as error:
        raise UntrustedFileError(f"{path.name}: {error}") from None


def open_plain(path: Path, largest: int) -> IO[bytes]:
    """Open a regular file.

    Raises:
        UntrustedFileError: It is missing, something else (a link, a pipe that never ends) or too large.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UntrustedFileError(f"{path.name} cannot be read: {error.strerror}") from None
    what = os.fstat(handle)
    if not stat.S_ISREG(what.st_mode) or what.st_size > largest:
        os.close(handle)
        raise UntrustedFileError(f"{path.name} is not a regular file of at most {largest} bytes")
    return os.fdopen(handle, "rb")


def identity_problems(record: Record, request: dict[str, Any]) -> list[str]:
    """Return how a record differs from the run that was requested.

    Args:
        record: As the inside left it.
        request: What the inside was told.
    """
    requested = request["config"]
    made: dict[str, Any] = {name: request.get(name) for name in ("code", "image")}
    wanted = empty(requested, request["key"], request["runner"], **made)
    same = ("schema", "key", "method", "dataset", "model", "sparsity", "budget", "seed", "runner", *made)
    problems = [
        f"{name} is {record[name]!r}, requested was {wanted[name]!r}" for name in same if record[name] != wanted[name]
    ]
    for name, value in requested.items():
        if record["config"].get(name) != value:
            problems.append(f"config.{name} is {record['config'].get(name)!r}, requested was {value!r}")
    extra = set(record["config"]) - set(requested) - set(DESCRIBED)
    return problems + [f"config.{name} was not requested" for name in sorted(extra)]


def claim_problems(record: Record, found: dict[str, Any], test_examples: int, elapsed: float) -> list[str]:
    """Return where a finished run's claims differ from what the referee found.

    Args:
        record: As the inside left it, with the right identity.
        found: What `harness.audit.referee` printed.
        test_examples: Samples of the test set; one more or fewer classified correctly is rounding.
        elapsed: Seconds that the container ran, by the harness's clock.
    """
    if "error" in found:
        return [f"what it left cannot be used: {found['error']}"]
    weights = [layer["weights"] for layer in found["layers"]]
    names = [layer["name"] for layer in found["layers"]]
    active, maskable = sum(found["active"]), sum(weights)
    density = {name: count / size for name, count, size in zip(names, found["active"], weights, strict=True)}
    metrics, cost, config = record["metrics"], record["cost"], record["config"]
    full = recount.reference({**config, "layers": found["layers"]})
    problems = [
        f"{name} is {claimed!r}, counted {counted!r}"
        for name, claimed, counted in (
            *((f"config.{name}", config.get(name), found.get(name)) for name in DESCRIBED),
            ("active", metrics["active"], active),
            ("nonzero", metrics["nonzero"], sum(found["nonzero"])),
            ("maskable", metrics["maskable"], maskable),
            ("layer_density", metrics["layer_density"], density),
            ("active_neurons", metrics.get("active_neurons"), found.get("active_neurons")),
            ("sparsity", metrics["sparsity"], 1 - active / (full["maskable"] if full else maskable)),
            ("the last topology entry", (record["topology"] or [{}])[-1].get("active"), found["active"]),
        )
        if claimed != counted
    ]
    if any(found["outside"]):
        problems.append(f"{sum(found['outside'])} weights outside the masks are not zero")
    if any(found.get("violations", ())):
        kind = config["pattern"]["kind"]
        problems.append(f"{sum(found['violations'])} groups of weights break the {kind} pattern")
    if record["status"] == "done":
        problems += promised.refusals(record, found["layers"], found["active"])
    problems += _score_problems(record, found, test_examples)
    if not problems:
        # Every step, sample and FLOP, which the topology determines.
        problems = counts.refusals(record)
    seconds, tolerance = cost["seconds"]["total"], STARTUP_SECONDS + 0.1 * elapsed
    # A run that was resumed has taken longer than its last container.
    honest = _near(seconds, elapsed, tolerance)
    if record["provenance"]["resumed"]:
        honest = seconds is not None and seconds >= elapsed - tolerance
    if not honest:
        problems.append(f"it took {seconds} seconds by its own clock, {elapsed:.0f} by the harness's")
    return problems


def _score_problems(record: Record, found: dict[str, Any], test_examples: int) -> list[str]:
    """Return which scores on the test set are not those measured; a trial has none."""
    claimed = record["metrics"]
    allowed = _tolerances(metrics.of(record), found, test_examples)
    problems = [
        f"{name} is {claimed[name]!r}, measured {found[name]!r}"
        for name, tolerance in allowed.items()
        if not _near(claimed[name], found[name], tolerance)
    ]
    problems += _more_problems(claimed.get("test_more") or {}, found.get("test_more") or {})
    problems += reliability.problems(record.get("reliability"), found["reliability"], test_examples)
    return problems + _right_problems(claimed.get("test_right"), found["test_right"], test_examples)


def _tolerances(metric: metrics.Metric, found: dict[str, Any], test_examples: int) -> dict[str, float]:
    """Return by how much each score may differ: shares by a sample that is rounded, the others in proportion."""
    share, loss = 1.5 / test_examples, LOSS_TOLERANCE * max(1.0, abs(found["test_loss"] or 0.0))
    if metric == metrics.ACCURACY:
        return {"test_accuracy": share, "test_top5": share, "test_loss": loss}
    score = share if metric.share else LOSS_TOLERANCE * max(1.0, abs(found["test_score"] or 0.0))
    return {"test_score": score, "test_loss": loss}


def _more_problems(claimed: dict[str, float], found: dict[str, float]) -> list[str]:
    """Return which further measures are not those measured."""
    if claimed.keys() != found.keys():
        return [f"test_more has {', '.join(sorted(claimed)) or 'nothing'}, measured was {', '.join(sorted(found))}"]
    return [
        f"test_more.{name} is {claimed[name]!r}, measured {value!r}"
        for name, value in found.items()
        if not _near(claimed[name], value, LOSS_TOLERANCE * max(1.0, abs(value)))
    ]


def _right_problems(claimed: str | None, measured: str | None, test_examples: int) -> list[str]:
    """Compare which samples are said to be classified correctly with those that are."""
    if claimed is None or measured is None:
        return [] if claimed is measured else ["test_right is missing, or was measured on no sample"]
    try:
        differing = bits.differing(claimed, measured, test_examples)
    except ValueError as error:
        return [str(error)]
    if differing > DIFFERENT:
        return [f"test_right: {differing} samples were classified otherwise than it says"]
    return []


def _near(claimed: float | None, measured: float | None, tolerance: float) -> bool:
    if claimed is None or measured is None:
        return claimed is measured
    # A run whose loss is not finite would have diverged; NaN is near nothing.
    return math.isfinite(claimed) and abs(claimed - measured) <= tolerance
