"""The local runner: a run in a process of its own, so that whatever kills it leaves the harness standing."""

import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from harness import events
from harness.config.schema import RunnerConfig
from harness.machine import gpus, logs
from harness.machine.leases import LostError
from harness.machine.oom import oom_kills
from harness.records.ending import Ending
from harness.runners.base import OnEvent
from harness.runners.forkserver import GRACE_SECONDS
from harness.runners.processes import Process

POLL_SECONDS = 1.0
MOST_EVENTS, LONGEST_EVENT = 100, 1 << 20
"""Events that are passed on before limits are looked at again, and bytes of one."""
LONGEST_LINE = 2000
"""Characters shown of what is not an event."""


class LocalRunner:
    """Trains requests on this machine, each in a process of its own; see `harness.runners.base.Runner`."""

    name = "local"
    image = None
    workplace = "."

    def run(self, request: Path, folder: Path, limits: RunnerConfig, on_event: OnEvent, log: Path) -> Ending:
        """Train a request; of the limits only ``timeout`` and ``gpu`` apply. See `harness.runners.base.Runner.run`."""
        config = json.loads(request.read_text())["config"]
        try:
            with _gpus(config, limits, on_event) as held:
                child = Process(_inside, request, folder, log, held)
                return _supervise(child, limits.timeout, on_event, log)
        except KeyboardInterrupt:
            return Ending(
                "interrupted", "interrupted; run it again to resume from its checkpoint (--force begins anew)"
            )


@contextmanager
def _gpus(config: dict[str, Any], limits: RunnerConfig, on_event: OnEvent) -> Iterator[str | None]:
    """Hold the GPUs of a run, one for each of its processes; None for a run on the CPU."""
    count = config.get("nproc", 1)
    if config["device"] == "cuda" and count > 1:
        with gpus.hold_several(count, on_event) as several:
            yield ",".join(gpu.uuid for gpu in several)
        return
    with gpus.hold(config["device"], limits.gpu, on_event, shared=config["packed"] > 1) as gpu:
        yield gpu.uuid if gpu else None


def _supervise(child: Process, timeout: float | None, on_event: OnEvent, log: Path) -> Ending:
    """Start a run's process and follow it to its end; whatever happens, it is not left behind."""
    started, killed = time.monotonic(), oom_kills()
    try:
        child.start()
        listening, heard = True, started
        # Its own end counts, not that of the connection: what a method forked may hold it open, or have closed it.
        while not child.wait(0):
            wait([child.fileno(), child.connection] if listening else [child.fileno()], POLL_SECONDS)
            told, listening = _pass_on(child.connection, on_event) if listening else (False, False)
            if told:
                heard = time.monotonic()
            elif time.monotonic() - heard >= POLL_SECONDS:
                heard = time.monotonic()
                on_event({"event": "waiting"})
            logs.trim(log)
            if timeout and time.monotonic() > started + timeout:
                return Ending("timeout", f"over its {timeout:g} seconds", time.monotonic() - started)
        _pass_on(child.connection, on_event)
    except LostError:
        child.stop(0)  # another owner may be in the folder: nothing more is written there
        raise
    finally:
        child.stop(GRACE_SECONDS)
    return _judge(child.exitcode, log, time.monotonic() - started, oom=oom_kills() > killed)


def _pass_on(connection: Connection, on_event: OnEvent) -> tuple[bool, bool]:
    """Pass on the events that have come.

    Returns:
        Whether any had come, and whether more can.
    """
    told = 0
    try:
        while told < MOST_EVENTS and connection.poll():
            text = connection.recv_bytes(LONGEST_EVENT).decode(errors="replace")
            told += 1
            on_event(events.read(text) or {"event": "log", "text": text[:LONGEST_LINE]})
    except (EOFError, OSError):
        return bool(told), False
    return bool(told), True


def _inside(outside: Connection, request: Path, folder: Path, log: Path, held: str | None) -> int:
    """Be the child: train, printing into the log."""
    if held is not None:  # CUDA reads it when it starts, which it has not in the server
        os.environ["CUDA_VISIBLE_DEVICES"] = held
    _print_into(log)
    from harness.training.worker import work

    def emit(event: dict[str, Any]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # without a harness the server stops this run
            outside.send_bytes(json.dumps(event).encode())

    return work(request, folder, emit)


def _print_into(log: Path) -> None:
    """Have this process print into a file, or nowhere if it cannot be made: a full disk is no reason to end a run."""
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        file = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(file, number)
    os.close(file)
    sys.stdout = io.TextIOWrapper(_Lenient(1), encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.stderr = io.TextIOWrapper(_Lenient(2), encoding="utf-8", errors="backslashreplace", line_buffering=True)


class _Lenient(io.BufferedWriter):
    """A stream whose writes never fail: what a full disk does not take is lost."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(io.FileIO(descriptor, "wb", closefd=False))

    def write(self, data: Any) -> int:
        with suppress(OSError):
            os.write(self.fileno(), data)
        return len(data)


def _judge(exitcode: int | None, log: Path, seconds: float, *, oom: bool) -> Ending:
    if exitcode in (0, 130):
        return Ending(seconds=seconds)
    if exitcode == -signal.SIGKILL and oom:
        return Ending("out_of_memory", "killed by the kernel for lack of memory", seconds)
    if exitcode is not None and exitcode < 0:
        return Ending("failed", f"ended by {_name(-exitcode)}", seconds)
    last = logs.last_line(log) or "nothing was printed"
    return Ending("failed", f"exit status {exitcode}: {last}", seconds)


def _name(number: int) -> str:
    """Return a signal's name; those for real-time use have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
