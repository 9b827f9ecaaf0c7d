"""Time, memory and energy of runs, by the hardware that they ran on and what disturbed them there."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from harness.board.statistics import mean_of_known
from harness.records import Record

THROTTLED = 0.01
"""The share of samples with a throttled GPU above which a run's time is not the method's own."""


class Usage(NamedTuple):
    """What runs took on one kind of hardware: means over its runs, None where unknown.

    Only what is undisturbed can be compared: of runs that had it to themselves, at full clocks.
    """

    runs: int
    undisturbed: bool
    seconds: float | None
    peak_memory_bytes: float | None
    energy_joules: float | None


def by_hardware(every: Iterable[Record]) -> dict[str, Usage]:
    """Return what runs took, by the name of their hardware."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for run in every:
        groups[hardware(run)].append(run)
    return {
        name: Usage(
            len(runs),
            not disturbances(runs[0]),  # the same for all: disturbances are part of the hardware's name
            mean_of_known(run["cost"]["seconds"]["total"] for run in runs),
            mean_of_known(run["cost"]["peak_memory_bytes"] for run in runs),
            mean_of_known(run["cost"]["energy_joules"] for run in runs),
        )
        for name, runs in sorted(groups.items())
    }


def hardware(record: Record) -> str:
    """Say on what a run ran, the accelerator or else the processor, and what disturbed its time there."""
    gpu = record["provenance"]["gpu"]
    name = gpu["name"] if gpu else record["provenance"]["cpu"] or "unknown hardware"
    if gpu and gpu["count"] > 1:
        name += f" ×{gpu['count']}"
    return f"{name} ({', '.join(found)})" if (found := disturbances(record)) else name


def disturbances(record: Record) -> list[str]:
    """Say why a run's time is not its own: it shared the machine with others, or its GPU was slowed down."""
    packed = record["config"].get("packed") or 1
    throttled = record["cost"].get("throttled") or 0
    return [
        *([f"shared by {packed:g} runs"] if packed > 1 else []),
        *(["shared with other work"] if packed == 1 and record["cost"].get("core") is not None else []),
        *(["throttled"] if throttled > THROTTLED else []),
    ]
