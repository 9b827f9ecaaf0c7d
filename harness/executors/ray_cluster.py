"""A Ray cluster as the Ray executor uses it: the connection, and workers that are used again and again."""

import logging
import random
import signal
import socket
import tempfile
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.errors import UsageError, first_line, short
from harness.executors.batch import Message
from harness.executors.ray_worker import OVER, Worker

_TRIES = 3
"""To start a cluster: Ray gives up after 30 seconds, which may be too few on a busy machine."""
_NAMES = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}

Wants = tuple[tuple[str, float], ...]
"""What a worker takes of a node, by Ray's names of it."""


class Call:
    """What a worker does at the moment.

    Attributes:
        wants: What it takes of a node.
        worker: The worker.
        avoid: Nodes that it is kept off, if there are others.
        node: Where the worker is; empty as long as that is not known.
        met: Whether the worker has answered: one that has not may wait for room.
        over: Whether it is over.
        lost: Why there will be no answer: the worker or its node is gone; else None.
        error: What the worker has raised, in a line; else None.
        answer: What the worker has returned.
    """

    def __init__(self, wants: Wants, worker: Any, node: str, avoid: Collection[str], what: tuple[str, Any]) -> None:
        """Call a method of a worker, with an argument."""
        self.wants, self.worker, self.node, self.avoid = wants, worker, node, avoid
        self.met = self.over = False
        self.lost: str | None = None
        self.error: str | None = None
        self.answer: Any = None
        self._what = what
        self._lock = threading.Lock()
        self._ask()

    @property
    def waits(self) -> bool:
        """Whether its worker may not have begun, for want of room."""
        return not (self.node or self.met or self.over)

    def give(self, worker: Any, node: str) -> bool:
        """Have another worker do it, unless the first one has begun; return whether it does."""
        with self._lock:
            if not self.waits:
                return False
            with suppress(RayError):
                ray.kill(self.worker)
            self.worker, self.node = worker, node
            self._ask()
            return True

    def look(self, timeout: float) -> list[Message]:
        """Return what the worker has said, after so many seconds at most unless it is over."""
        worker, result, heard = self.worker, self._result, self._heard
        ready, _ = ray.wait([result] if self._told_all else [result, heard], timeout=timeout)
        with self._lock:
            if worker is not self.worker:
                return []
            found = self._hear() if heard in ready else []
            if result in ready and self.lost is None:
                self.over = True
                try:
                    self.answer = ray.get(result)
                except RayTaskError as error:
                    self.error = f"{type(error.cause).__name__}: {first_line(error.cause)}"
                except RayError as error:
                    self._lose(error)
                while self.lost is None and not self._told_all:
                    found += self._hear()
        return found

    def stop(self) -> None:
        """Have the worker write checkpoints and end; call it until it is over, since it may not have begun."""
        with suppress(RayError):
            self.worker.stop.remote()

    def _ask(self) -> None:
        method, argument = self._what
        self._told_all = False
        self._result, self._heard = getattr(self.worker, method).remote(argument), self.worker.heard.remote()

    def _hear(self) -> list[Message]:
        try:
            found: list[Message] = ray.get(self._heard)
        except RayError as error:
            self._lose(error)
            return []
        self.met = True
        self._told_all = any(message["event"] == OVER for message in found)
        if not self._told_all:  # what comes next is said to the next call
            self._heard = self.worker.heard.remote()
        self.node = next((str(message["name"]) for message in found if message["event"] == "node"), self.node)
        return [message for message in found if message["event"] != OVER]

    def _lose(self, error: RayError) -> None:
        self.over, self.lost = True, f"its Ray worker was lost: {first_line(error)}"


class Cluster:
    """A connection to a cluster, and the workers that it has there; used by any number of threads."""

    def __init__(self, address: str | None) -> None:
        """Connect to a cluster, or start one here that ends with `close`.

        Args:
            address: HOST:PORT; ``auto`` for the one that was started on this machine; None to start one.

        Raises:
            UsageError: None answers there, or none can be started.
        """
        if address not in (None, "auto"):
            _require(str(address))
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        more: dict[str, Any] = {}
        if address is None:  # the paths of its sockets have to be short
            more = {"include_dashboard": False, "_temp_dir": self._folder.name}
        try:
            _connect(address, more)
        except Exception as error:  # of any type, up to Exception itself
            self._folder.cleanup()
            where = "cannot be started here" if address is None else f"does not answer at {address} (executor.address)"
            raise UsageError(f"a Ray cluster {where}: {first_line(error)}") from None
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in handlers.items():  # Ray's would end the suite before its runs are stopped
                    signal.signal(number, handler)
        self._actor: Any = ray.remote(Worker)
        self._idle: list[tuple[Wants, Any, str]] = []
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """End all workers, and the cluster if it was started here."""
        ray.shutdown()
        self._folder.cleanup()

    def room(self, wants: Wants) -> list[int]:
        """Return how many workers that take this each node has room for, whoever else uses it."""
        return [_room(node["Resources"], wants) for node in self._alive()]

    def largest(self, name: str) -> float:
        """Return the most that a node has of something."""
        return max((node["Resources"].get(name, 0.0) for node in self._alive()), default=0.0)

    def begin(self, method: str, argument: Any, wants: Wants, avoid: Collection[str] = ()) -> Call:
        """Have a worker do something: one that has nothing to do, else a new one.

        Args:
            method: Of `Worker`.
            argument: What it takes.
            wants: What the worker takes of a node.
            avoid: Nodes that it is kept off, if there are others.
        """
        with self._lock:
            others = self._others(wants, avoid)
            mine = [one for one in self._idle if one[0] == wants and not (others and one[2] in avoid)]
            for one in self._idle:
                if one not in mine:  # it holds what the new one may wait for
                    ray.kill(one[1])
            self._idle = mine[1:]
            _, worker, node = mine[0] if mine else (wants, self._new(wants, others), "")
            call = Call(wants, worker, node, avoid, (method, argument))
            self._calls.append(call)
            return call

    def end(self, call: Call, *, kill: bool = False) -> None:
        """Let go of what is over, or is to be ended at once. Its worker takes what waits for one, if anything does."""
        with self._lock:
            if call not in self._calls:
                return
            self._calls.remove(call)
            if kill or call.lost is not None:
                with suppress(RayError):
                    ray.kill(call.worker)
                return
            for other in self._calls:
                kept_off = call.node in other.avoid and self._others(other.wants, other.avoid)
                if other.wants == call.wants and not kept_off and other.give(call.worker, call.node):
                    return
            if any(other.waits for other in self._calls):  # for what this one holds, perhaps
                ray.kill(call.worker)
            else:
                self._idle.append((call.wants, call.worker, call.node))

    def _others(self, wants: Wants, avoid: Collection[str]) -> list[str]:
        """Return the nodes that can take this, if some are to be avoided: those that are not."""
        fit = [str(node["NodeID"]) for node in self._alive() if _room(node["Resources"], wants)]
        return [node for node in fit if node not in avoid] if avoid else []

    def _new(self, wants: Wants, others: Sequence[str]) -> Any:
        taken: dict[str, Any] = {_NAMES[name]: amount for name, amount in wants}
        if others:
            taken["scheduling_strategy"] = NodeAffinitySchedulingStrategy(random.choice(others), soft=True)
        return self._actor.options(max_concurrency=3, max_restarts=0, **taken).remote()

    def _alive(self) -> list[dict[str, Any]]:
        return [node for node in ray.nodes() if node["Alive"]]


def _room(has: dict[str, float], wants: Wants) -> int:
    return min(int(has.get(name, 0.0) / most + 1e-9) for name, most in wants if most)


def _connect(address: str | None, more: dict[str, Any]) -> None:
    for tries in reversed(range(_TRIES if address is None else 1)):
        try:
            ray.init(address or "local", log_to_driver=False, logging_level=logging.CRITICAL, **more)
        except Exception as error:
            if not tries or "timed out" not in str(error):
                raise
        else:
            return


def _require(address: str) -> None:
    """Make sure that something answers at an address: Ray itself tries for a minute and more.

    Raises:
        UsageError: It is none, or nothing answers.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or int(port) >= 1 << 16:
        raise UsageError(f"executor.address={short(address)} is neither HOST:PORT nor auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"a Ray cluster does not answer at {address} (executor.address): {why}") from None
