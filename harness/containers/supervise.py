"""One container from its creation to its removal, under our own deadline."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container

from harness.containers.box import Box
from harness.containers.engine import LOST, explain
from harness.containers.follow import Follower
from harness.containers.output import Output
from harness.machine.oom import oom_kills
from harness.records.ending import Ending

FOLDER_POLL_SECONDS = 5.0
GRACE_SECONDS = 60.0
"""For a run that is told to stop to end its step and write its checkpoint, as in a local run."""
LOST_SECONDS = 5.0
"""For an engine that does not answer to come back."""
LARGEST_FOLDER = 16 * 1024**3
"""Bytes that a run may leave in its folder; a bind mount has no limit of its own."""
SIGKILLED = 137
STOPPED = (130, SIGKILLED, 143)
"""Exit statuses of a program that got SIGINT, SIGKILL or SIGTERM."""
_GONE = "the container engine went away during the run"
INTERRUPTED = Ending("interrupted", "interrupted; run it again to resume from its checkpoint (--force begins anew)")


class _LostError(Exception):
    """The container could not be started, or it or the engine is gone; the message says why."""


def supervise(client: docker.DockerClient, box: Box, output: Output, timeout: float | None) -> Ending:
    """Make, start, follow and remove a container; whatever happens, none is left while the engine answers.

    Args:
        client: The engine.
        box: The container.
        output: Takes what it prints.
        timeout: Seconds after which it is stopped; None for no limit.

    Returns:
        How it ended; no status if its program exited with 0, ``interrupted`` after Ctrl-C or whatever else raises
        KeyboardInterrupt.
    """
    started, killed = time.monotonic(), oom_kills()
    stopped: Ending | None = None
    try:
        container = _start(client, box)
        follower = Follower(box.name)
        watch = _Watch(container, list(box.writable), started, timeout)
        stopped = _follow(container, watch, lambda: follower.pass_on(output))
        state = _close(container, follower, output)
    except KeyboardInterrupt:
        return INTERRUPTED
    except _LostError as error:
        return replace(stopped or Ending("failed", str(error)), seconds=time.monotonic() - started)
    finally:
        _remove(client, box.name)
    # Podman does not always say that it was the kernel, for lack of memory, that killed the process.
    starved = state.get("OOMKilled") or (state.get("ExitCode") == SIGKILLED and oom_kills() > killed)
    ending = stopped or _exited(state, output.last, box.limits.memory if starved else None)
    return replace(ending, seconds=time.monotonic() - started)


def _start(client: docker.DockerClient, box: Box) -> Container:
    """Make and start a container.

    Raises:
        _LostError: The engine refuses.
    """
    try:
        container = client.containers.create(**box.settings(client))
        container.start()
    except LOST as error:
        raise _LostError(f"the container could not be started: {explain(error)}") from None
    return container


def _follow(container: Container, watch: "_Watch", idle: Callable[[], object]) -> Ending | None:
    """Wait for a container's end, stopping it where it must; None if it exited by itself."""
    try:
        stopped = watch.until_end(idle)
        if stopped is not None:
            _stop(container)
    except KeyboardInterrupt:
        # A second Ctrl-C ends the wait for a graceful exit.
        with suppress(KeyboardInterrupt):
            _stop(container)
        return INTERRUPTED
    return stopped


def _exited(state: dict[str, Any], last: str, exceeded: str | None) -> Ending:
    """Return the ending of a container whose program exited by itself.

    Args:
        state: The engine's account of it.
        last: The last lines that it printed.
        exceeded: The memory limit that it was killed for; None if it was not.
    """
    code = state.get("ExitCode")
    if code == 0:
        return Ending()
    if exceeded:
        return Ending("out_of_memory", f"killed by the kernel: over its memory limit of {exceeded}")
    if code in STOPPED:
        return Ending("failed", f"stopped from outside the harness (exit status {code}): was the engine shut down?")
    return Ending("failed", f"exit status {code}: {state.get('Error') or last or 'nothing was printed'}")


class _Watch:
    """Polls a container's state: the engine's own ``wait`` has no limit on the run, only one on the request."""

    def __init__(self, container: Container, folders: list[Path], started: float, timeout: float | None) -> None:
        self._container = container
        self._folders = folders
        self._timeout = timeout
        self._deadline = None if timeout is None else started + timeout
        self._answered = started
        self._measured = started

    def until_end(self, idle: Callable[[], object]) -> Ending | None:
        """Call ``idle``, which takes about a poll's time, until there is an end.

        Returns:
            None if the container exited by itself, else why it must be stopped.

        Raises:
            _LostError: The engine no longer answers, or the container is gone.
        """
        while True:
            idle()
            now = time.monotonic()
            if self._exited(now):
                return None
            if self._deadline is not None and now > self._deadline:
                return Ending("timeout", f"over its {self._timeout:g} seconds")
            if self._overfull(now):
                return Ending("failed", f"over {LARGEST_FOLDER // 1024**3} GiB in its folder")

    def _exited(self, now: float) -> bool:
        try:
            self._container.reload()
        except docker.errors.NotFound:
            raise _LostError(f"{_GONE}: the container was removed by somebody else") from None
        except LOST as error:
            if now - self._answered > LOST_SECONDS:
                raise _LostError(f"{_GONE}: {explain(error)}") from None
            return False
        self._answered = now
        return self._container.status in ("exited", "dead")

    def _overfull(self, now: float) -> bool:
        if now - self._measured <= FOLDER_POLL_SECONDS:
            return False
        self._measured = now
        return sum(map(_size, self._folders)) > LARGEST_FOLDER


def _close(container: Container, follower: Follower, output: Output) -> dict[str, Any]:
    """Read the rest of what a stopped container printed, and return the engine's account of how it ended.

    Raises:
        _LostError: The engine no longer answers.
    """
    try:
        if container.status != "running":
            while follower.drain(output, 2.0):
                pass
        # The stream can miss the tail: read all of it once more and take what is new.
        everything = container.logs()
        container.reload()
    except LOST as error:
        raise _LostError(f"{_GONE}: {explain(error)}") from None
    if len(everything) > output.received:
        output.feed(everything[output.received :])
    state: dict[str, Any] = container.attrs.get("State") or {}
    return state


def _stop(container: Container) -> None:
    """Ask a container to stop, then have the engine kill it."""
    try:
        container.stop(timeout=int(GRACE_SECONDS))
        container.reload()
    except LOST:
        # It is removed by force next, if the engine is there at all.
        pass


def _remove(client: docker.DockerClient, name: str) -> None:
    """Remove a container by force if it is there; what a lost engine keeps is left to ``sparsebench clean``."""
    with suppress(*LOST):
        client.api.remove_container(name, force=True, v=True)


def _size(folder: Path) -> int:
    """Return the bytes on disk below a folder, links not followed; files may come and go meanwhile."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except OSError:
                continue
    return total
