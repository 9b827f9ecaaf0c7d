"""Decides how many runs share this machine at a time."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.config import RunConfig
from harness.executors import packing
from harness.machine import gpus
from harness.plan.planned import Planned

Chains = list[list[Planned]]


def share(chains: Sequence[Sequence[Planned]], jobs: int | None, tell: Callable[[str], None]) -> tuple[int, Chains]:
    """Settle how many chains are trained at a time, and mark their runs with how many share a device.

    Args:
        chains: What is to be trained, finished runs among it.
        jobs: Chains at a time; None for as many as are fastest here, by trying (`harness.executors.packing`).
        tell: Takes a line on each try, and on processors that have too few cores for so many.

    Returns:
        The number at a time, and the chains with ``packed`` set.
    """
    missing = [planned.run for chain in chains for planned in chain if not planned.settled]
    on_cuda = bool(missing) and missing[0].device == "cuda"
    places = max(len(gpus.visible(gpus.installed())), 1) if on_cuda else 1
    if jobs is None:
        most = math.ceil(len(chains) / places)
        jobs = places * packing.best(missing[0], most=most, tell=tell).jobs if missing else 1
    packed = math.ceil(jobs / places)
    if missing and not on_cuda and jobs > 1:
        _warn(missing[0], jobs, tell)

    def mark(planned: Planned) -> Planned:  # others of its node may be of other jobs, which who sent it knows
        if planned.run.device == "cuda" and planned.run.nproc > 1:  # has its GPUs alone
            return planned
        return replace(planned, run=replace(planned.run, packed=max(packed, planned.run.packed)))

    return jobs, [[mark(planned) for planned in chain] for chain in chains]


def _warn(run: RunConfig, jobs: int, tell: Callable[[str], None]) -> None:
    """Say that so many runs want more threads than there are cores: each then waits for threads of the others."""
    cores = len(os.sched_getaffinity(0))
    each = packing.threads(run, cores)
    if jobs * each > cores:
        threads = "1 thread" if each == 1 else f"{each} threads"
        tell(
            f"{jobs} runs at a time on {threads} each crowd {cores} cores and can be several times slower: fewer at a "
            f"time avoid that, or recipe.threads={max(1, cores // jobs)}, which is part of a run's key"
        )
