"""Reliability of a model: the group of that name in records, and files of what is measured from kept networks.

A run's record holds the group where its final pass over the test set measured it. ``sparsebench reliability`` measures
it afterwards, and writes to ``OUTPUT/reliability`` a file ``KEY.json`` for a run whose record lacks something, and a
file ``row-DIGEST.json`` for the seeds of a row. No referee has looked at these files: they are claims, which the board
shows as such.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.records import metrics
from harness.records.folder import record_paths
from harness.records.record import Record
from harness.records.reliability_schema import SCHEMAS, VERSION
from harness.records.store import decode, open_regular, write_atomic
from harness.records.validate import RecordError, one_line

if TYPE_CHECKING:
    import jsonschema_rs

FOLDER = "reliability"
"""Where the files lie in an output, beside its ``records``."""

LARGEST = 1 << 20
"""Bytes of the largest file that is read."""


def unmeasured(task: str, loss: str) -> str:
    """Say why the reliability of a run is not measured; empty where it is.

    Args:
        task: Of its data set.
        loss: What it was trained by (``recipe.loss``).
    """
    if task != metrics.CLASSIFICATION:
        return f"its task is {task}: reliability is measured of a {metrics.CLASSIFICATION} alone"
    if loss != "cross_entropy":
        only = "recipe.loss=cross_entropy"
        return f"recipe.loss={loss} gives no probabilities: reliability is measured with {only} alone"
    return ""


def of_config(config: Mapping[str, Any]) -> str:
    """Say why the reliability of a run with this resolved config is not measured; empty where it is."""
    loss = (config.get("recipe") or {}).get("loss", "cross_entropy")
    return unmeasured(metrics.task_of(config.get("dataset") or {}), str(loss))


def group(
    bins: int, ece: float, brier: float, corruptions: Mapping[str, Sequence[float]] | None = None
) -> dict[str, Any]:
    """Return the group of a record.

    Args:
        bins: Bins of the calibration error.
        ece: Expected calibration error.
        brier: Brier score.
        corruptions: Accuracies under each corruption, one for each severity; None if they were not measured.
    """
    found: dict[str, Any] = {"bins": bins, "ece": ece, "brier": brier}
    if corruptions is not None:
        found["corruptions"] = {name: list(values) for name, values in corruptions.items()}
        found["corruptions"]["mean"] = _mean(corruptions)
    return found


def run_path(output: Path, key: str) -> Path:
    """Return the file of a run."""
    return output / FOLDER / f"{key}.json"


def row_path(output: Path, seeds: Iterable[str]) -> Path:
    """Return the file of the seeds of a row, by the keys of their runs."""
    digest = hashlib.sha256(" ".join(sorted(seeds)).encode()).hexdigest()[:16]
    return output / FOLDER / f"row-{digest}.json"


def paths(output: Path) -> list[Path]:
    """Return the files in an output, in the order of names."""
    return list(record_paths(output / FOLDER))


def load(path: Path) -> dict[str, Any]:
    """Read and check a file.

    Raises:
        RecordError: It is not such a file, or has another one's name.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(LARGEST + 1)
    found = decode(content, LARGEST)
    _require(found)
    assert isinstance(found, dict)
    name = _name(found)
    if path.name != name:
        raise RecordError(f"is named otherwise than its content, which is {name}")
    return found


def of_run(output: Path, record: Record) -> dict[str, Any] | None:
    """Return what was measured afterwards of the network that a record names; None if the board would show nothing.

    Args:
        output: The folder with ``reliability``.
        record: Of the run.
    """
    try:
        found = load(run_path(output, record["key"]))
    except (OSError, RecordError):
        return None
    network = (record.get("network") or {}).get("sha256")
    if (found["network"], found["accuracy"]) != (network, metrics.test(record)):
        return None
    group: dict[str, Any] = found["reliability"]
    return group


def write(content: dict[str, Any], path: Path) -> None:
    """Check the content of a file and write it, atomically.

    Raises:
        RecordError: It is not such content; nothing is written.
        OSError: It cannot be written.
    """
    whole = {"schema": VERSION, **content}
    _require(whole)
    write_atomic(path, json.dumps(whole, indent=1, allow_nan=False) + "\n")


@cache
def _validator(kind: str) -> "jsonschema_rs.Draft202012Validator":
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(SCHEMAS[kind])


def _mean(corruptions: Mapping[str, Any]) -> float:
    """Return the mean of the accuracies under all corruptions."""
    every = [value for name, values in corruptions.items() if name != "mean" for value in values]
    return float(sum(every) / len(every))


def _name(content: dict[str, Any]) -> str:
    """Return the name of the file that has this content."""
    if content["of"] == "run":
        return run_path(Path(), content["key"]).name
    return row_path(Path(), [run["key"] for run in content["runs"]]).name


def _require(value: Any) -> None:
    kind = value.get("of") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in SCHEMAS:
        raise RecordError("of: a file of reliability is of a run or of a row")
    for error in _validator(kind).iter_errors(value):
        place = ".".join(map(str, error.instance_path))
        raise RecordError(one_line(f"{place}: {error.message}" if place else error.message))
    under = value["reliability"].get("corruptions") if kind == "run" else None
    if under is not None and not math.isclose(under["mean"], _mean(under), abs_tol=1e-9):
        raise RecordError(f"reliability.corruptions.mean: {under['mean']} is not the mean of the accuracies")
    if kind == "row" and len({run["key"] for run in value["runs"]}) < len(value["runs"]):
        raise RecordError("runs: a run comes twice")
