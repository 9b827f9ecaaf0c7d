"""Deployments on the board: which row each belongs to, and what a row's networks were measured to take.

A deployment counts for the run that its key names, if its network is the file that the run's record names. Like time,
latency is never averaged across hardware, threads, precisions or versions of torch.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harness.board import units
from harness.board.statistics import mean_of_known
from harness.board.tables import Row, Table
from harness.records import Problem, Record
from harness.records.deployment_schema import BATCHES
from harness.records.deployments import FOLDER, Deployment, conditions

HEADERS = ["method", "sparsity", "inference FLOPs", "batch", "dense latency", "latency", "measured speed-up"]
HEADERS += ["file, dense", "packed", "packed, zstd", "sparse training step", "measured on"]
NOTE = (
    "Measured speed-up: latency of the network computed densely, divided by its latency with the fastest format for "
    "each layer, both measured in turns on the hardware named; the sparse training step is of linear layers alone. "
    "Figures are means over the seeds that were measured, of ratios geometric ones. They come from `sparsebench "
    "deploy`, outside of any container, and are never ranked."
)
"""What stands above the table of measured speed."""

_SAME = 1e-6


class Figure(NamedTuple):
    """What the networks of a row were measured to take, under one set of conditions at one batch size.

    Attributes:
        on: The conditions in words.
        batch: Samples at a time.
        speedup: Times as fast as dense, the geometric mean over seeds.
        seconds: Latency, the mean over seeds.
        dense_seconds: The same of the network computed densely.
        flops_ratio: FLOPs of a sample, as a multiple of the same network's without masks; None if unknown.
        training: Times as fast as dense that a truly sparse training step of the linear layers is; None if unknown.
        seeds: How many networks were measured.
    """

    on: str
    batch: int
    speedup: float
    seconds: float
    dense_seconds: float
    flops_ratio: float | None
    training: float | None
    seeds: int


def attach(tables: Iterable[Table], files: Mapping[str, Record], found: Mapping[str, Deployment]) -> list[Problem]:
    """Give each row the deployments of its runs; return those that belong to none, with the reason."""
    known = {record["key"]: record for record in files.values()}
    rows = {run["key"]: (row, seed) for table in tables for row in table.rows for seed, run in row.runs.items()}
    problems = []
    for name, deployment in found.items():
        key = deployment["key"]
        if why := _objection(deployment, known.get(key)):
            problems.append(Problem(f"{FOLDER}/{name}", why))
        elif key in rows:  # not replaced by a newer run
            row, seed = rows[key]
            row.deployed.setdefault(seed, []).append(deployment)
    return problems


def _objection(deployment: Deployment, record: Record | None) -> str | None:
    if record is None:
        return f"no record of the run {deployment['key']} that it was measured for"
    network = record.get("network") or {}
    if network.get("sha256") != deployment["network"]["sha256"]:
        return "was measured with another network than the one that the run's record names"
    if network.get("bytes") != deployment["network"]["bytes"]:
        return "gives another size of the file than the run's record"
    ratio, own = deployment["flops_ratio"], _flops_ratio(record)
    if ratio is not None and own is not None and not math.isclose(ratio, own, rel_tol=_SAME):
        return f"gives {ratio:.6g} times the dense FLOPs, and the run's record {own:.6g}"
    return None


def _flops_ratio(record: Record) -> float | None:
    """Return the FLOPs of a sample as a multiple of the same network's without masks."""
    if record["config"].get("reference"):  # of a narrower network: the record's ratio is to the wide one
        return None
    ratio: float | None = record["cost"]["inference_flops_ratio"]
    return ratio


def figures(row: Row) -> list[Figure]:
    """Return what a row's networks were measured to take, by conditions and batch size."""
    groups: dict[tuple[str, int], list[tuple[Deployment, Mapping[str, float]]]] = defaultdict(list)
    for seed in sorted(row.deployed):
        for deployment in row.deployed[seed]:
            for at in deployment["latency"]:
                groups[conditions(deployment), at["batch"]].append((deployment, at))
    found = []
    for (on, batch), measured in sorted(groups.items()):
        steps = [step["all"]["speedup"] for each, _ in measured if (step := each["training"]) and step["all"]]
        found.append(
            Figure(
                on,
                batch,
                _geometric([at["speedup"] for _, at in measured]),
                math.fsum(at["seconds"] for _, at in measured) / len(measured),
                math.fsum(at["dense_seconds"] for _, at in measured) / len(measured),
                mean_of_known(each["flops_ratio"] for each, _ in measured),
                _geometric(steps) if steps else None,
                len(measured),
            )
        )
    return found


def alone(row: Row) -> list[Figure]:
    """Return the figures of a row that was measured under one set of conditions; otherwise nothing is common."""
    found = figures(row)
    return found if len({each.on for each in found}) == 1 else []


def packed(row: Row) -> float | None:
    """Return the bytes of the packed network, the mean over the runs that kept theirs."""
    return mean_of_known((run.get("network") or {}).get("bytes") for run in row.counted.values())


def of_networks(row: Row, name: str) -> float | None:
    """Return the mean over deployments of a size of the file, such as ``zstd_bytes``."""
    sizes = [each["network"][name] for seed in row.deployed for each in row.deployed[seed][:1]]
    return mean_of_known(sizes)


def speedups(row: Row) -> str:
    """Return the measured speed-ups of a row: ``1.9× at batch 1, 0.8× at batch 32 (AMD EPYC, 2 threads, ...)``."""
    by_conditions: dict[str, list[Figure]] = defaultdict(list)
    for figure in figures(row):
        by_conditions[figure.on].append(figure)
    told = [
        f"{', '.join(f'{units.ratio(each.speedup)} at batch {each.batch}' for each in here)} ({on})"
        for on, here in by_conditions.items()
    ]
    return "; ".join(told) or "–"


def rows(table: Table) -> list[list[str]]:
    """Return the table of measured speed of a task, as `HEADERS` names its columns."""
    return [
        [
            row.method,
            f"{row.sparsity:g}",
            units.ratio(figure.flops_ratio),
            str(figure.batch),
            units.latency(figure.dense_seconds),
            units.latency(figure.seconds),
            units.ratio(figure.speedup),
            units.size(of_networks(row, "dense_bytes")),
            units.size(of_networks(row, "bytes")),
            units.size(of_networks(row, "zstd_bytes")),
            units.ratio(figure.training),
            figure.on,
        ]
        for row in table.rows
        for figure in figures(row)
    ]


def _geometric(values: list[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def cells(row: Row) -> dict[str, str]:
    """Return a row's columns of the CSV; latencies only where all were measured under one set of conditions."""
    common = {figure.batch: figure for figure in alone(row)}
    found: dict[str, str] = {}
    for batch in BATCHES:
        at = common.get(batch)
        found[f"measured_speedup_batch_{batch}"] = units.exact(at and at.speedup)
        found[f"latency_seconds_batch_{batch}"] = units.exact(at and at.seconds)
    steps = [figure.training for figure in common.values()]
    found["measured_speedup_sparse_training_step"] = units.exact(steps[0] if steps else None)
    found["latency_measured_on"] = "; ".join(dict.fromkeys(figure.on for figure in figures(row)))
    found["packed_bytes"] = units.exact(packed(row))
    found["packed_zstd_bytes"] = units.exact(of_networks(row, "zstd_bytes"))
    found["unpacked_bytes"] = units.exact(of_networks(row, "dense_bytes"))
    return found
