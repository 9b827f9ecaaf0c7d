"""One container from its creation to its removal, under our own deadline."""

import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container

from harness.containers.box import Box
from harness.containers.engine import LOST, NoEngineError, connect, explain
from harness.containers.output import Output
from harness.machine.oom import oom_kills

POLL_SECONDS = 0.2
FOLDER_POLL_SECONDS = 5.0
GRACE_SECONDS = 60.0
"""For a run that is told to stop to end its step and write its checkpoint, as in a local run."""
LOST_SECONDS = 5.0
"""For an engine that does not answer to come back."""
LARGEST_FOLDER = 16 * 1024**3
"""Bytes that a run may leave in its folder, for a bind mount has no limit of its own."""


SIGKILLED = 137


class End(Enum):
    """Why a container is no more."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    OVERFULL = "overfull"
    INTERRUPTED = "interrupted"
    NOT_STARTED = "not started"
    ENGINE_LOST = "engine lost"


@dataclass(frozen=True)
class Ending:
    """How a container ended.

    Attributes:
        end: Why.
        exit_code: Of its process; None if it never ended under our eyes.
        out_of_memory: Whether the kernel killed one of its processes for lack of memory.
        detail: What the engine said.
        seconds: From its start.
    """

    end: End
    exit_code: int | None = None
    out_of_memory: bool = False
    detail: str = ""
    seconds: float = 0.0


def supervise(client: docker.DockerClient, box: Box, output: Output, timeout: float | None) -> Ending:
    """Make, start, follow and remove a container; whatever happens, none is left while the engine answers.

    Args:
        client: The engine.
        box: The container.
        output: Takes what it prints.
        timeout: Seconds after which it is stopped; None for no limit.

    Returns:
        How it ended; ``INTERRUPTED`` after Ctrl-C or whatever else raises KeyboardInterrupt.
    """
    started, killed = time.monotonic(), oom_kills()
    try:
        container = client.containers.create(**box.settings(client))
        container.start()
    except KeyboardInterrupt:
        _remove(client, box.name)
        return Ending(End.INTERRUPTED)
    except LOST as error:
        _remove(client, box.name)
        return Ending(End.NOT_STARTED, detail=explain(error))
    except BaseException:
        _remove(client, box.name)
        raise
    follower = _Follower(box.name)
    watch = _Watch(container, list(box.writable), started, timeout)
    try:
        end = watch.until_end(lambda: follower.drain(output))
        if end in (End.TIMEOUT, End.OVERFULL):
            _stop(container)
    except KeyboardInterrupt:
        end = End.INTERRUPTED
        # Asked twice: not kindly, then.
        with suppress(KeyboardInterrupt):
            _stop(container)
    finally:
        ending = _close(client, container, follower, output)
    if end is End.EXITED:
        # Between its exit and our reading of how it went, the engine may have gone.
        end = ending.end
    # Podman does not always say that it was the kernel, for lack of memory, that killed the process.
    starved = ending.out_of_memory or (ending.exit_code == SIGKILLED and oom_kills() > killed)
    return Ending(end, ending.exit_code, starved, ending.detail or watch.detail, time.monotonic() - started)


class _Watch:
    """Polls a container's state: the engine's own ``wait`` has no limit on the run, only one on the request."""

    def __init__(self, container: Container, folders: list[Path], started: float, timeout: float | None) -> None:
        self._container = container
        self._folders = folders
        self._deadline = None if timeout is None else started + timeout
        self._answered = started
        self._measured = started
        self.detail = ""

    def until_end(self, idle: Callable[[], object]) -> End:
        """Call ``idle``, which takes about a poll's time, until there is an end."""
        while True:
            idle()
            end = self._look(time.monotonic())
            if end is not None:
                return end

    def _look(self, now: float) -> End | None:
        try:
            self._container.reload()
            self._answered = now
            if self._container.status in ("exited", "dead"):
                return End.EXITED
        except docker.errors.NotFound:
            self.detail = "the container was removed by somebody else"
            return End.ENGINE_LOST
        except LOST as error:
            if now - self._answered > LOST_SECONDS:
                self.detail = explain(error)
                return End.ENGINE_LOST
        if self._deadline is not None and now > self._deadline:
            return End.TIMEOUT
        if now - self._measured > FOLDER_POLL_SECONDS:
            self._measured = now
            if sum(map(_size, self._folders)) > LARGEST_FOLDER:
                return End.OVERFULL
        return None


class _Follower:
    """Reads a container's output in a thread of its own, into a queue that the supervising thread empties."""

    def __init__(self, name: str) -> None:
        self._name = name
        # Bounded: the engine keeps what we cannot take yet, so that a flood does not fill our memory.
        self._pieces: queue.Queue[bytes | None] = queue.Queue(maxsize=1000)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        # Where this fails, the supervising thread finds out by itself; what is missing is read again at the end.
        with suppress(NoEngineError, *LOST):
            # A connection of its own: this one is busy until the container ends.
            for piece in connect().containers.get(self._name).logs(stream=True, follow=True):
                self._pieces.put(piece)
        self._pieces.put(None)

    def drain(self, output: Output, seconds: float = POLL_SECONDS) -> bool:
        """Pass on what comes within ``seconds``; False once there is no more."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                piece = self._pieces.get(timeout=left)
            except queue.Empty:
                return True
            if piece is None:
                # Leave the mark for the next call, which must not wait for a piece either.
                self._pieces.put(None)
                time.sleep(min(left, POLL_SECONDS))
                return False
            output.feed(piece)
        return True


def _close(client: docker.DockerClient, container: Container, follower: _Follower, output: Output) -> Ending:
    """Read what a container that ended has left to say, and remove it."""
    try:
        if container.status != "running":
            while follower.drain(output, 2.0):
                pass
        # The stream can miss the tail: read all of it once more and take what is new.
        everything = container.logs()
        if len(everything) > output.received:
            output.feed(everything[output.received :])
        container.reload()
        state: dict[str, Any] = container.attrs.get("State") or {}
    except LOST as error:
        return Ending(End.ENGINE_LOST, detail=explain(error))
    finally:
        _remove(client, str(container.name))
    return Ending(End.EXITED, state.get("ExitCode"), bool(state.get("OOMKilled")), str(state.get("Error") or ""))


def _stop(container: Container) -> None:
    """Stop a container kindly, then not; the engine sends the second signal."""
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
