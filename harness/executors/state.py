"""Where a suite stands, from the files of its output folder alone: its listing, its records and its leases."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from harness.executors.owner import SUFFIX
from harness.machine.holder import Holder
from harness.machine.lease_files import chain, clock
from harness.machine.leases import STALE_SECONDS
from harness.plan.existing import SETTLED
from harness.plan.listing import Listed
from harness.records.heads import Head, read_head


@dataclass(frozen=True)
class Running:
    """A run that a process has taken.

    Attributes:
        run: The run.
        holder: The process.
        silent: Seconds since it was last heard of, by the clock of the file system; None where that cannot be read,
            since nothing can be written.
    """

    run: Listed
    holder: Holder
    silent: float | None

    @property
    def lost(self) -> bool:
        """Whether the process has ended, so that the next worker takes the run over."""
        alive = self.holder.running({self.holder.token})
        return not alive if alive is not None else (self.silent or 0.0) > STALE_SECONDS


@dataclass(frozen=True)
class State:
    """Where a suite stands; each run is in one of the first four lists.

    Attributes:
        done: Runs that are done.
        running: Those that a process trains, whether or not an earlier try failed.
        failed: Those that ended otherwise, with their records.
        waiting: Those that nobody trains and that have not ended.
        lost: Those of the waiting whose process has ended without a word.
        seconds_left: What training the rest will take, with as many at a time as now; None if no run is done yet.
        seconds: Wall-clock time of the runs that have a record, added up.
        train_flops: Their training FLOPs.
    """

    done: list[Listed]
    running: list[Running]
    failed: list[tuple[Listed, Head]]
    waiting: list[Listed]
    lost: list[Running]
    seconds_left: float | None
    seconds: float
    train_flops: float

    @property
    def over(self) -> bool:
        """Whether nothing is left to train."""
        return not self.running and not self.waiting


def state(output: Path, runs: Sequence[Listed]) -> State:
    """Look where the runs of a suite stand.

    Args:
        output: Folder of their results.
        runs: The runs.
    """
    # In this order: a run that ends meanwhile is seen with its lease or with its record.
    taken = _taken(output / "runs", runs)
    heads = _heads(output / "records", runs)
    done: list[Listed] = []
    running: list[Running] = []
    failed: list[tuple[Listed, Head]] = []
    waiting: list[Listed] = []
    lost: list[Running] = []
    for run in runs:
        head = heads.get(run.key)
        settled = head is not None and head.status in SETTLED
        owner = None if settled else taken.get(run.key)
        if owner is not None and not owner.lost:
            running.append(owner)
        elif owner is not None:  # whatever an earlier try has left, this one is to be resumed
            lost.append(owner)
            waiting.append(run)
        elif head is None or head.status == "interrupted":
            waiting.append(run)
        elif head.status == "done":
            done.append(run)
        else:
            failed.append((run, head))
    return State(
        done,
        running,
        failed,
        waiting,
        lost,
        _seconds_left({run: heads[run.key].seconds for run in done}, running, waiting),
        sum(head.seconds or 0.0 for head in heads.values()),
        sum(head.train_flops or 0.0 for head in heads.values()),
    )


def _heads(folder: Path, runs: Sequence[Listed]) -> dict[str, Head]:
    """Read the records that there are; the folder is listed once."""
    try:
        names = set(os.listdir(folder))
    except OSError:
        return {}
    found = {run.key: read_head(f"{folder}/{run.file}") for run in runs if run.file in names}
    return {key: head for key, head in found.items() if head is not None}


def _taken(folder: Path, runs: Sequence[Listed]) -> dict[str, Running]:
    """Read the leases of runs."""
    by_name = {run.key + SUFFIX: run for run in runs}
    try:
        names = [name for name in os.listdir(folder) if name in by_name]
    except OSError:
        return {}
    now = _now(folder) if names else None
    found = {}
    for name in names:
        try:
            owners = chain(folder / name)
        except OSError:
            continue
        if owners:
            silent = None if now is None else max(0.0, now - owners[-1].renewed)
            found[by_name[name].key] = Running(by_name[name], owners[-1], silent)
    return found


def _now(folder: Path) -> float | None:
    try:
        return clock(folder)
    except OSError:
        return None


def _seconds_left(
    took: dict[Listed, float | None], running: Sequence[Running], waiting: Sequence[Listed]
) -> float | None:
    """Estimate from the runs of the same row, else of the same task, else from all."""
    if not running and not waiting:
        return 0.0
    known: dict[str, list[float]] = defaultdict(list)
    for run, seconds in took.items():
        if seconds is not None:
            for group in _groups(run):
                known[group].append(seconds)
    if not known:
        return None
    means = {group: fmean(values) for group, values in known.items()}

    def takes(run: Listed) -> float:
        return next(means[group] for group in _groups(run) if group in means)

    left = sum(map(takes, waiting)) + sum(takes(one.run) * (1 - one.holder.progress) for one in running)
    return left / max(1, len(running))


def _groups(run: Listed) -> tuple[str, ...]:
    """Return what a run's time is estimated from, the best first."""
    return f"row {run.row}", f"task {run.task}", "all"
