"""The local runner: a run in a process of its own, so that whatever kills it leaves the harness standing."""

import json
import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from harness.config.schema import RunnerConfig
from harness.machine import gpus, logs
from harness.machine.oom import oom_kills
from harness.records.ending import Ending
from harness.runners.base import OnEvent
from harness.runners.processes import Process

POLL_SECONDS = 1.0


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
                child = Process(_inside, request, folder, log, gpu.uuid if gpu else None)
                return _supervise(child, limits.timeout, on_event, log)
        except KeyboardInterrupt:
            return Ending("interrupted", "interrupted; run it again to resume from its checkpoint")


def _supervise(child: Process, timeout: float | None, on_event: OnEvent, log: Path) -> Ending:
    """Start a run's process and follow it to its end; whatever happens, it is not left behind."""
    started, killed = time.monotonic(), oom_kills()
    try:
        child.start()
        # Its own end counts, not that of the connection: what a method forked may hold it open.
        while not child.wait(0):
            if not wait([child.fileno(), child.connection], POLL_SECONDS):
                on_event({"event": "waiting"})
            _pass_on(child.connection, on_event)
            logs.trim(log)
            if timeout and time.monotonic() > started + timeout:
                return Ending("timeout", f"over its {timeout:g} seconds", time.monotonic() - started)
        _pass_on(child.connection, on_event)
    finally:
        child.stop()
    return _judge(child.exitcode, log, time.monotonic() - started, oom=oom_kills() > killed)


def _pass_on(connection: Connection, on_event: OnEvent) -> None:
    """Pass on the events that have come."""
    with suppress(EOFError, OSError):
        while connection.poll():
            event = json.loads(connection.recv_bytes())
            on_event(event)


def _inside(outside: Connection, request: Path, folder: Path, log: Path, gpu: str | None) -> int:
    """Be the child: train, printing into the log."""
    if gpu is not None:  # CUDA reads it when it starts, which it has not in the server
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    with log.open("a", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from harness.training.worker import work

    def emit(event: dict[str, Any]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # without a harness the server stops this run
            outside.send_bytes(json.dumps(event).encode())

    return work(request, folder, emit)


def _judge(exitcode: int | None, log: Path, seconds: float, *, oom: bool) -> Ending:
    if exitcode in (0, 130):
        return Ending(seconds=seconds)
    if exitcode == -signal.SIGKILL and oom:
        return Ending("out_of_memory", "killed by the kernel for lack of memory", seconds)
    if exitcode is not None and exitcode < 0:
        return Ending("failed", f"ended by {signal.Signals(-exitcode).name}", seconds)
    last = logs.last_line(log) or "nothing was printed"
    return Ending("failed", f"exit status {exitcode}: {last}", seconds)
