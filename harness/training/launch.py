"""Starts the processes of a run with torchrun's launcher, and sees to it that the run leaves a record."""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from harness.machine.oom import oom_kills
from harness.records import Record, load
from harness.training.endings import INTERRUPTED, LOST

Handler = Callable[[int, FrameType | None], object]
Cause = tuple[str, str]
"""Status and reason."""

OVER = ("done", "invalid", "interrupted")
"""The statuses that all processes come to together."""


def train(
    count: int, trained: Callable[[], Record], leave: Callable[[Record], int], path: Path, begun: Callable[[], Record]
) -> int:
    """Train a run in several processes and leave its record.

    Args:
        count: How many processes.
        trained: Trains in one of them, which finds in its environment what torchrun sets, and returns its record.
        leave: Writes a record and returns the exit status; called for the leader's.
        path: Where that record lies.
        begun: Returns the record of a run that has just begun, for one of which nothing is left.

    Returns:
        The exit status, as `leave` returns it.
    """
    path.unlink(missing_ok=True)

    def be() -> None:
        result = trained()
        if os.environ["RANK"] == "0":
            leave(result)
        if result["status"] not in OVER:
            sys.exit(1)  # for the launcher to end the others, wherever they may wait

    cause = _launch(count, be)
    result = load(path) if path.exists() else begun()
    if path.exists() and (cause is None or result["reason"] != LOST):
        return INTERRUPTED if result["status"] == "interrupted" else 0
    status, reason = cause or ("failed", "its processes left no record")
    result.update(status=status, reason=reason)
    return leave(result)


def _launch(count: int, be: Callable[[], None]) -> Cause | None:
    """Fork the processes and wait for their end.

    When one fails, the others are told to stop, and killed half a minute later. A signal to stop goes to all of them,
    as often as it comes.

    Returns:
        Why one has failed, by its exit status; None if none has.
    """
    # Here: it takes a second, and few runs need it.
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the name of this host need not be known to anybody
    told = signal.getsignal(signal.SIGTERM)
    assert callable(told)
    killed = oom_kills()
    try:
        with tempfile.TemporaryDirectory() as logs:
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=count,
                run_id="run",
                rdzv_backend="c10d",
                rdzv_endpoint="localhost:0",
                local_addr="127.0.0.1",
                max_restarts=0,
                start_method="fork",  # what a run imports is imported already
                monitor_interval=0.1,
                signals_to_handle="SIGQUIT",  # the others are handled here
                logs_specs=DefaultLogsSpecs(log_dir=logs),
            )
            signal.signal(signal.SIGTERM, partial(_pass_on, told))
            elastic_launch(config, _be)(be, told)
    except ChildFailedError as error:
        rank, failure = min(error.failures.items())
        return _cause(f"process {rank + 1} of {count}", failure.exitcode, oom=oom_kills() > killed)
    finally:
        signal.signal(signal.SIGTERM, told)
    return None


def _be(be: Callable[[], None], told: Handler) -> None:
    """Be one of the processes: told to stop by SIGTERM, or by the end of the launcher, which sends SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    be()


def _pass_on(told: Handler, number: int, frame: FrameType | None) -> None:
    told(number, frame)
    for child in multiprocessing.active_children():
        child.terminate()


def _cause(process: str, exitcode: int, *, oom: bool) -> Cause:
    if exitcode == -signal.SIGKILL and oom:
        return "out_of_memory", f"{process}: killed by the kernel for lack of memory"
    if exitcode < 0:
        return "failed", f"{process}: ended by {signal.Signals(-exitcode).name}"
    return "failed", f"{process}: exit status {exitcode}"
