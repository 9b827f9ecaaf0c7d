"""The Slurm executor: a suite is an array of jobs, which submitit submits; each trains a batch of runs.

A job has to see the output folder, the data and this package where the submitting command sees them. It tells what
happens in a file of the output folder. Before its time limit, and when it is preempted, its runs write checkpoints and
it is requeued; a job that is lost, or cancelled by somebody, is submitted again as often as ``retries`` says.
"""

import math
import os
import secrets
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import submitit

from harness.board.spending import Plan
from harness.errors import UsageError, first_line
from harness.executors import choose, slurm_queue
from harness.executors.batch import Batch, Message, packed
from harness.executors.elsewhere import Elsewhere
from harness.executors.engine import Chain
from harness.executors.jobs import batches, expected_seconds
from harness.executors.slurm_job import STOP, Job, read
from harness.plan.listing import FOLDER

_OWN = ("jobs", "minutes_per_job", "runs_per_job", "runs_at_once", "requeues", "signal_seconds", "setup", "sbatch")
"""Options that are none of sbatch."""
_RESERVED = frozenset(
    "array clusters error exclude job-name no-requeue open-mode output parsable requeue signal time wait".split()
)
"""Options of sbatch that decide whether jobs are found again, heard and requeued: none but the executor sets them."""
_MOST_JOBS = 1000
"""In an array, where Slurm's ``MaxArraySize`` is not set; long runs then share jobs too, which are requeued."""


@dataclass(frozen=True)
class Options:
    """What ``benchmarks/executor/slurm.yaml`` says; the file explains each."""

    time: int = 240
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gres: str | None = None
    gpus_per_node: str | None = None
    cpus_per_task: int | None = None
    mem: str | None = None
    exclude: str | None = None
    sbatch: dict[str, Any] = field(default_factory=dict)
    setup: list[str] = field(default_factory=list)
    jobs: int = 16
    minutes_per_job: float = 30
    runs_per_job: int = 64
    runs_at_once: int = 1
    requeues: int = 100
    signal_seconds: int = 90

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        for name in ("time", "jobs", "runs_per_job", "runs_at_once", "signal_seconds"):
            choose.required(self, name, 1)
        for name in ("minutes_per_job", "requeues"):
            choose.required(self, name, 0)
        if math.isnan(self.minutes_per_job):
            raise UsageError("executor.minutes_per_job=nan is not a number of minutes")
        if self.signal_seconds >= 60 * self.time:
            raise UsageError(
                f"executor.signal_seconds={self.signal_seconds} is not less than the {60 * self.time} seconds of a job "
                f"(executor.time={self.time})"
            )
        for name in self.sbatch:
            if (word := name.replace("_", "-")) in _RESERVED:
                instead = f": write executor.{word}=VALUE" if word in vars(self) else ""
                raise UsageError(f"executor.sbatch.{name} cannot be set, as the executor sets {word} itself{instead}")


def make(
    options: Options,
    *,
    jobs: int | None,
    looks: Plan | None,
    retries: int,
    max_failures: int | None,
    wait: bool,
    output: Path,
) -> Elsewhere:
    """Return the executor.

    Args:
        options: For its jobs.
        jobs: Jobs at a time; None for what the options say.
        looks: The plan that the runs' records carry, if it decides the number of seeds.
        retries: Times that a run is submitted again after a failure of the machine.
        max_failures: Runs that may end otherwise than done before the rest is cancelled; None for any number.
        wait: Whether to wait for runs that other processes train.
        output: The folder of the results.

    Raises:
        UsageError: There is no Slurm.
    """
    slurm_queue.require()
    options = options if jobs is None else replace(options, jobs=jobs)

    engine = Slurm(options, output.resolve() / FOLDER, None if looks is None else looks.as_record(), wait=wait)
    return Elsewhere(engine, partial(pack, options), retries=retries, max_failures=max_failures)


def pack(options: Options, chains: Sequence[Chain]) -> list[list[Chain]]:
    """Return which chains share a job."""
    found = batches(
        chains,
        expected_seconds,
        at_least=options.jobs,
        per_job=60 * options.minutes_per_job * options.runs_at_once,
        most=options.runs_per_job,
    )
    merged = math.ceil(len(found) / _MOST_JOBS) or 1
    return [list(chain.from_iterable(found[start : start + merged])) for start in range(0, len(found), merged)]


class Slurm:
    """The engine (`harness.executors.engine.Engine`)."""

    def __init__(self, options: Options, folder: Path, looks: dict[str, Any] | None, *, wait: bool) -> None:
        """Prepare; a folder of its own is made with the first job.

        Args:
            options: For its jobs.
            folder: Where to make it.
            looks: See `Batch`.
            wait: See `Batch`.
        """
        self._options, self._looks, self._wait = options, looks, wait
        self._name = f"sparsebench-{secrets.token_hex(4)}"
        self._folder = folder / self._name.replace("sparsebench", "slurm")
        self._told: dict[str, tuple[Path, int]] = {}
        self._queue = slurm_queue.Queue(self._name, options.exclude)

    def submit(self, batches: Sequence[Sequence[Chain]], avoid: Collection[str], *, again: bool) -> list[str]:
        """See `Engine.submit`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self._folder}: cannot be made ({error.strerror})") from None
        wait = self._wait or again  # what a lost job has left is nobody else's to end
        sent = [
            Batch(
                [[packed(run) for run in runs] for runs in batch],
                os.getcwd(),
                self._looks,
                wait,
                self._options.runs_at_once,
            )
            for batch in batches
        ]
        files = [self._folder / f"{len(self._told) + number}.jsonl" for number in range(len(sent))]
        others = slurm_queue.other_nodes(avoid, self._options.partition) if avoid else []
        avoid = avoid if others else ()
        try:
            jobs = self._sent(avoid, sent, files)
        except UsageError:
            if not avoid:
                raise
            avoid = ()  # the others may lack what a job asks for
            jobs = self._sent(avoid, sent, files)
        if avoid:
            self._queue.avoids([job.job_id for job in jobs])
        self._told |= {job.job_id: (file, 0) for job, file in zip(jobs, files, strict=True)}
        return [job.job_id for job in jobs]

    def heard(self, job: str) -> list[Message]:
        """See `Engine.heard`."""
        note = self._queue.note(job)
        notes: list[Message] = [] if note is None else [{"key": None, "event": "log", "text": note}]
        file, place = self._told[job]
        try:
            with file.open("rb") as stream:
                stream.seek(place)
                text = stream.read()
        except OSError:  # it has told nothing yet
            return notes
        whole = text[: text.rfind(b"\n") + 1]
        self._told[job] = file, place + len(whole)
        return notes + [message for line in whole.splitlines() if (message := read(line)) is not None]

    def over(self, jobs: Collection[str]) -> Mapping[str, str]:
        """See `Engine.over`."""
        logs = f"its log is in {self._folder}"
        return {job: f"{state}; {logs}" for job, state in self._queue.over(jobs).items()}

    def stop(self, jobs: Collection[str], *, kill: bool) -> None:
        """See `Engine.stop`."""
        with suppress(OSError):
            (self._folder / STOP).touch()
        self._queue.stop(kill=kill)

    def close(self, *, tidy: bool) -> None:
        """See `Engine.close`."""
        self._queue.leave()
        if tidy:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _sent(self, avoid: Collection[str], sent: Sequence[Batch], files: Sequence[Path]) -> list[submitit.Job[Any]]:
        try:
            with slurm_queue.unset():
                return list(self._executor(avoid).map_array(Job(), sent, files))
        except Exception as error:  # submitit raises its own, RuntimeError and what subprocess raises
            raise UsageError(f"Slurm does not take the jobs: {_why(error)}") from None

    def _executor(self, avoid: Collection[str]) -> submitit.SlurmExecutor:
        options = self._options
        asked = {name: value for name, value in vars(options).items() if name not in (*_OWN, "time")}
        more = {name: value for name, value in asked.items() if value is not None} | options.sbatch
        if avoid:
            more["exclude"] = ",".join(filter(None, (options.exclude, *sorted(avoid))))
        # A batch is trained by one process, and not every srun takes the CPUs over from sbatch.
        srun = ["--nodes=1", "--ntasks=1"]
        srun += [f"--cpus-per-task={options.cpus_per_task}"] if options.cpus_per_task else []
        executor = submitit.SlurmExecutor(self._folder, max_num_timeout=options.requeues)
        executor.update_parameters(
            job_name=self._name,
            time=options.time,
            array_parallelism=options.jobs,
            signal_delay_s=options.signal_seconds,
            setup=options.setup or None,
            stderr_to_stdout=True,
            srun_args=srun,
            additional_parameters={"requeue": True, **more},
        )
        return executor


def _why(error: Exception) -> str:
    """Return the line in which sbatch says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line.startswith("sbatch: error")]
    return said[0] if said else first_line(error)
