"""The local runner: a run in a process of its own, so that whatever kills it leaves the harness standing."""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from harness.config.compose import RunnerConfig
from harness.machine import gpus
from harness.machine.oom import oom_kills
from harness.records.ending import Ending
from harness.runners.base import OnEvent

GRACE_SECONDS = 60.0  # for a run that is told to stop to end its step and write its checkpoint

# A server that has imported everything once and forks each run from there: a suite does not import torch every time,
# nor torch._dynamo, which torch.optim does as late as in an optimiser's constructor, for two seconds.
# It has never run an operator itself, so no thread pool or CUDA context is forked.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["harness.training.worker", "torch._dynamo"])


class LocalRunner:
    """Trains requests on this machine, each in a process of its own; see `harness.runners.base.Runner`."""

    name = "local"
    image = None
    workplace = "."

    def run(self, request: Path, folder: Path, limits: RunnerConfig, on_event: OnEvent, log: Path) -> Ending:
        """Train a request; of the limits only ``timeout`` and ``gpu`` apply. See `harness.runners.base.Runner.run`."""
        config = json.loads(request.read_text())["config"]
        try:
            with gpus.hold(config["device"], limits.gpu, on_event, shared=config["packed"] > 1) as gpu:
                return _supervise(request, folder, limits.timeout, on_event, log, gpu=gpu)
        except KeyboardInterrupt:
            return Ending("interrupted", "interrupted; run it again to resume from its checkpoint")


def _supervise(
    request: Path,
    folder: Path,
    timeout: float | None,
    on_event: Callable[[dict[str, Any]], None],
    log: Path,
    *,
    gpu: gpus.Gpu | None,
) -> Ending:
    """Start a run's process and follow it to its end; whatever happens, it is not left behind."""
    deadline = time.monotonic() + timeout if timeout else None
    receiving, sending = processes.Pipe(duplex=False)
    child = processes.Process(target=_inside, args=(request, folder, sending, log, gpu))
    killed = oom_kills()
    child.start()
    sending.close()
    try:
        while _listen(receiving, on_event):
            if deadline is not None and time.monotonic() > deadline:
                return Ending("timeout", f"over its {timeout:g} seconds")
        child.join()
    finally:
        _stop(child)
        receiving.close()
    return _judge(child.exitcode, log, oom=oom_kills() > killed)


def _listen(receiving: Connection, on_event: Callable[[dict[str, Any]], None]) -> bool:
    """Pass on what has come within a moment; return whether more may come."""
    try:
        if receiving.poll(0.2):
            on_event(receiving.recv())
    except (EOFError, OSError):
        return False
    return True


def _inside(request: Path, folder: Path, sending: Connection, log: Path, gpu: gpus.Gpu | None) -> None:
    """Be the child: train, printing into the log."""
    if gpu is not None:  # CUDA reads it when it starts, which it has not in the server
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu.uuid
    from harness.training.worker import work

    with log.open("a", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    def emit(event: dict[str, Any]) -> None:
        try:
            sending.send(event)
        except BrokenPipeError:  # the harness was killed: leave a checkpoint and go, too
            signal.raise_signal(signal.SIGTERM)

    sys.exit(work(request, folder, emit))


def _stop(child: Any) -> None:
    """Stop a run kindly, then not."""
    if child.is_alive():
        child.terminate()
        child.join(GRACE_SECONDS)
    if child.is_alive():
        child.kill()
        child.join()


def _judge(exitcode: int | None, log: Path, *, oom: bool) -> Ending:
    if exitcode in (0, 130):
        return Ending()
    if exitcode == -signal.SIGKILL and oom:
        return Ending("out_of_memory", "killed by the kernel for lack of memory")
    if exitcode is not None and exitcode < 0:
        return Ending("failed", f"ended by {signal.Signals(-exitcode).name}")
    last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-1:]
    return Ending("failed", f"exit status {exitcode}: {last[0] if last else 'nothing was printed'}")
