"""Finds by trial how many concurrent runs train the most samples per second on this machine."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from harness import config
from harness.config import BudgetConfig, RunConfig
from harness.console import say
from harness.errors import UsageError
from harness.machine import gpus
from harness.machine.precision import precision
from harness.runners.processes import Process
from harness.tasks.inputs import load_data
from harness.training.prepare import prepare
from harness.training.trainer import Trainer
from harness.training.worker import settle_process

SECONDS = 4.0
"""Of one measurement, after a warm-up."""
WARM_UP_STEPS, WARM_UP_SECONDS = 5, 1.0
"""What each process trains before it: alone, enough to record a step (`harness.training.graph`), then with all."""
GAIN = 1.05
"""More runs at a time have to pay by this factor, since each of them then takes longer."""
MOST_ON_A_GPU = 16
SPARE = 0.1
"""Share of the device's memory that must be left: topology events, which need more than a step, may coincide."""
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Packing:
    """What was found.

    Attributes:
        jobs: Runs at a time.
        samples_per_second: Of all runs together, by the numbers of runs at a time that were tried.
    """

    jobs: int
    samples_per_second: dict[int, float] = field(default_factory=dict)


class TooManyError(Exception):
    """So many at a time cannot be measured; the message says why."""


def best(
    run: RunConfig, most: int | None = None, *, seconds: float = SECONDS, tell: Callable[[str], None] = say
) -> Packing:
    """Train 1, 2, 4 ... copies of a run at once for some seconds each, as long as that pays.

    What is measured is training as the local runner does it: one process a run, with the run's own data, masks,
    topology events and number of threads, but no evaluations and no checkpoints. Nothing is arranged for sharing: on a
    GPU without MPS the processes take turns, with an MPS daemon running they overlap, and either is measured as it
    is. A number at which a process fails, for lack of memory or anything else, is too many; that ends the search.

    Args:
        run: An example, with its device settled; a GPU is held for it meanwhile.
        most: Most runs at a time to try; None for what the machine may carry: on a CPU as many as its cores have room
            for, on a GPU 16, on several one.
        seconds: Of one measurement.
        tell: Takes a line for each figure; by default it is printed on stderr.

    Returns:
        The number of runs at a time beyond which twice as many bring less than 5 % more; 1 if even one cannot be
        measured, so that the run itself tells why.

    Raises:
        KeyboardInterrupt: Ctrl-C; the processes are ended first.
        UsageError: ``device=cuda`` and there is no GPU.
    """
    limit = min(most or sys.maxsize, _carried(run))
    if limit == 1:
        return Packing(1)

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "log":
            tell(event["text"])

    with gpus.hold(run.device, run.runner.gpu, on_event) as gpu:
        return search(lambda jobs: _measure(run, jobs, seconds, gpu), limit, tell)


def search(measure: Callable[[int], float], limit: int, tell: Callable[[str], None] = say) -> Packing:
    """Double the number of runs at a time as long as that pays.

    Args:
        measure: Returns the samples a second of so many runs together, or raises `TooManyError`.
        limit: Most to try, at least 1.
        tell: Takes a line for each figure.
    """

    def report(jobs: int, figure: str) -> None:
        tell(f"measuring how many runs at a time are fastest: {jobs} at a time: {figure}")

    found: dict[int, float] = {}
    chosen, jobs = 1, 1
    while True:
        try:
            found[jobs] = measure(jobs)
        except TooManyError as error:
            report(jobs, str(error))
            break
        report(jobs, f"{found[jobs]:,.0f} samples/s")
        if jobs > 1 and found[jobs] < GAIN * found[chosen]:
            break
        chosen = jobs
        if jobs == limit:
            break
        jobs = min(2 * jobs, limit)
    return Packing(chosen, found)


def _carried(run: RunConfig) -> int:
    """Return how many runs at a time are worth a try."""
    cores = len(os.sched_getaffinity(0))
    if run.device == "cuda":  # a run of several processes has its GPUs alone
        return MOST_ON_A_GPU if run.nproc == 1 else 1
    return max(1, cores // threads(run, cores))


def threads(run: RunConfig, cores: int) -> int:
    """Return how many threads a run takes: the recipe's in each of its processes, else all cores, which they share."""
    return run.nproc * run.recipe.threads if run.recipe.threads else cores


def _measure(run: RunConfig, jobs: int, seconds: float, gpu: gpus.Gpu | None) -> float:
    """Return the samples a second of so many runs together.

    Raises:
        TooManyError: One of them failed, or left too little memory.
    """
    children = [Process(_inside, config.to_dict(run), seconds, gpu) for _ in range(jobs)]
    ends = [child.connection for child in children]
    try:
        for child in children:
            child.start()
        _gather(ends)  # all have warmed up
        for end in ends:
            with suppress(OSError):  # what is gone tells nothing, which is seen below
                end.send("go")
        figures = _gather(ends)
        for child in children:
            child.wait(GRACE_SECONDS)
    finally:
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            child.stop(GRACE_SECONDS)
    if min(figure["spare"] for figure in figures) < SPARE:
        raise TooManyError(f"less than {SPARE:.0%} of the device's memory is left")
    return sum(figure["samples_per_second"] for figure in figures)


def _gather(ends: list[Connection]) -> list[dict[str, Any]]:
    """Wait for one message of each process; the first failure ends the wait."""
    messages: dict[Connection, dict[str, Any]] = {}
    while waiting := [end for end in ends if end not in messages]:
        ready = wait(waiting)
        for end in (end for end in waiting if end in ready):
            try:
                message = end.recv()
            except (EOFError, OSError):
                raise TooManyError("a process was killed") from None
            if "error" in message:
                raise TooManyError(message["error"])
            messages[end] = message
    return [messages[end] for end in ends]


def _inside(outside: Connection, plain: dict[str, Any], seconds: float, gpu: gpus.Gpu | None) -> None:
    """Be one of the processes: get ready, say so, wait for the start, train, tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to pass on
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a loader's processes are ended too
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu.uuid
    # Where the other end is gone, the parent is: nobody is left to tell.
    with suppress(BrokenPipeError, EOFError):
        try:
            trained = _Trained(config.from_dict(plain))
            trained.go_on(0, WARM_UP_STEPS)
            outside.send({})
            outside.recv()
            trained.go_on(WARM_UP_SECONDS, 1)
            outside.send({"samples_per_second": trained.go_on(seconds, 1), "spare": trained.spare()})
        except (MemoryError, torch.OutOfMemoryError):
            outside.send({"error": "out of memory"})
        except UsageError as error:
            outside.send({"error": str(error)})
        except Exception as error:  # whatever a method's code raises ends the search, not the suite
            outside.send({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


class _Trained:
    """A run that never ends, and so never validates."""

    def __init__(self, run: RunConfig) -> None:
        settle_process(run)
        run.budget = BudgetConfig("steps", 1e9)
        run.evaluations, run.checkpoint_seconds = 1, 0
        splits = load_data(run)
        self._trainer = Trainer(run, prepare(run), splits)
        self._device = torch.device(run.device)
        # Runs do validate, on larger batches: the memory for this must be free besides that of the others.
        inputs, _ = next((splits.val if splits.val.samples else splits.test).epoch(0))
        with torch.no_grad(), precision(self._device):
            self._trainer.model.eval()(inputs)

    def go_on(self, seconds: float, steps: int) -> float:
        """Train for so many seconds, and steps at least; return samples a second."""
        ledger = self._trainer.course.ledger
        samples, least = ledger.samples, ledger.steps + steps
        started = time.perf_counter()

        def over() -> bool:
            return ledger.steps >= least and time.perf_counter() - started >= seconds

        self._trainer.train(lambda event: None, lambda: None, over)
        if self._device.type == "cuda":
            torch.cuda.synchronize()  # steps that are only queued have not been trained
        return (ledger.samples - samples) / (time.perf_counter() - started)

    def spare(self) -> float:
        """Return the share of the device's memory that is free, while the others still hold theirs; 1 on a CPU."""
        if self._device.type != "cuda":
            return 1.0
        free, total = torch.cuda.mem_get_info()
        return free / total
