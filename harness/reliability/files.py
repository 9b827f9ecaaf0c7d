"""Writes what is measured from kept networks to ``OUTPUT/reliability``."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.machine import provenance
from harness.records import Record, reliability
from harness.reliability.reload import Reloaded
from harness.tasks.reliability.calibration import BINS
from harness.tasks.reliability.predictions import Ensemble


def write_run(output: Path, record: Record, reloaded: Reloaded, group: dict[str, Any]) -> Path:
    """Write the reliability of a run; return the file.

    Args:
        output: The folder with ``records``.
        record: Of the run.
        reloaded: Its network.
        group: The reliability of its model.
    """
    path = reliability.run_path(output, record["key"])
    told = {"key": record["key"], "network": record["network"]["sha256"], "accuracy": reloaded.score.accuracy}
    _write(path, {"of": "run", **told, "reliability": group}, reloaded)
    return path


def write_row(
    output: Path,
    reloaded: Reloaded,
    members: Sequence[tuple[int, Record]],
    agreement: float,
    ensemble: Ensemble,
) -> Path:
    """Write what the seeds of a row say together; return the file.

    Args:
        output: The folder with ``records``.
        reloaded: The network of one of them.
        members: Seeds and records.
        agreement: Share of test samples on which two seeds agree, mean over pairs.
        ensemble: The mean of their probabilities, scored.
    """
    path = reliability.row_path(output, [record["key"] for _, record in members])
    accuracy, (ece, brier) = ensemble
    runs = [
        {"seed": number, "key": record["key"], "network": record["network"]["sha256"]} for number, record in members
    ]
    scored = {"accuracy": accuracy, **reliability.group(BINS, ece, brier)}
    _write(path, {"of": "row", "runs": runs, "agreement": agreement, "ensemble": scored}, reloaded)
    return path


def _write(path: Path, content: dict[str, Any], reloaded: Reloaded) -> None:
    source, machine = provenance.source(), provenance.machine(reloaded.run.device)
    made = {
        "torch": str(machine["torch"]),
        **{name: machine[name] for name in ("cpu", "hostname_hash")},
        "gpu": machine["gpu"] and machine["gpu"]["name"],
        **{name: source[name] for name in ("git_commit", "git_dirty")},
        "finished": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    reliability.write({**content, "provenance": made}, path)
