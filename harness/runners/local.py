"""The local runner: a run in a process of its own, so that whatever kills it leaves the harness standing."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from harness.config import RunnerConfig
from harness.runners.outcome import Outcome

GRACE_SECONDS = 60.0  # for a run that is told to stop to end its step and write its checkpoint

# A server that has imported everything once and forks each run from there: a suite does not import torch every time.
# It has never run an operator itself, so no thread pool or CUDA context is forked.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["harness.worker"])


def run(
    request: Path, folder: Path, settings: RunnerConfig, on_event: Callable[[dict[str, Any]], None], log: Path
) -> Outcome:
    """Run a request to its end.

    Args:
        request: What `harness.worker` reads.
        folder: Where it writes.
        settings: Limits; a local run knows ``timeout`` alone.
        on_event: Takes its events.
        log: Receives what it prints.

    Returns:
        How it ended; ``interrupted`` after Ctrl-C, once the run was stopped and has left a checkpoint.
    """
    deadline = time.monotonic() + settings.timeout if settings.timeout else None
    receiving, sending = _context.Pipe(duplex=False)
    child = _context.Process(target=_inside, args=(request, folder, sending, log))
    killed = _oom_kills()
    child.start()
    sending.close()
    try:
        while _listen(receiving, on_event):
            if deadline is not None and time.monotonic() > deadline:
                _stop(child)
                return Outcome("timeout", f"over its {settings.timeout:g} seconds")
        child.join()
    except KeyboardInterrupt:
        _stop(child)
        return Outcome("interrupted", "interrupted; run it again to go on from its checkpoint")
    finally:
        receiving.close()
    return _judge(child.exitcode, log, oom=_oom_kills() > killed)


def _listen(receiving: Connection, on_event: Callable[[dict[str, Any]], None]) -> bool:
    """Pass on what has come within a moment; return whether more may come."""
    try:
        if receiving.poll(0.2):
            on_event(receiving.recv())
    except (EOFError, OSError):
        return False
    return True


def _inside(request: Path, folder: Path, sending: Connection, log: Path) -> None:
    """Be the child: train, printing into the log."""
    from harness.worker import work

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


def _judge(exitcode: int | None, log: Path, *, oom: bool) -> Outcome:
    if exitcode in (0, 130):
        return Outcome()
    if exitcode == -signal.SIGKILL and oom:
        return Outcome("out_of_memory", "killed by the kernel for lack of memory")
    if exitcode is not None and exitcode < 0:
        return Outcome("failed", f"ended by {signal.Signals(-exitcode).name}")
    last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-1:]
    return Outcome("failed", f"exit status {exitcode}: {last[0] if last else 'nothing was printed'}")


def _oom_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory; 0 where it does not say."""
    vmstat = Path("/proc/vmstat")
    lines = vmstat.read_text().splitlines() if vmstat.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
