"""The Ray executor: trains runs on the nodes of a Ray cluster, or on one that is started here for the suite.

Where all nodes see the output folder, a worker trains as on any machine (`harness.executors.batch`): it owns the lease
of its run, keeps checkpoints in the folder and publishes. Where they do not, runs are owned and published here, and
their checkpoints, records and networks come back through Ray's object store (`harness.executors.apart`).
"""

import math
import os
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
import docker.utils

from harness.board.spending import Plan
from harness.console import say
from harness.errors import UsageError
from harness.executors.apart import Apart, distant
from harness.executors.base import Executor
from harness.executors.batch import Batch, Message, packed
from harness.executors.causes import unwritable
from harness.executors.elsewhere import Elsewhere
from harness.executors.engine import Chain
from harness.executors.local import LocalExecutor

if TYPE_CHECKING:
    from harness.executors.ray_cluster import Call, Wants
    from harness.executors.ray_nodes import Nodes

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what happens to nodes, which Ray prints on stdout
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # as Ray will do; it warns of it otherwise
    "RAY_worker_niceness": "0",  # not the least important processes of a machine that others use too
    "RAY_agent_register_timeout_ms": "120000",  # else a node that starts on a busy machine gives up after 15 seconds
}
_LOOK_SECONDS = 0.2
"""Between two looks at the workers."""
SAY_SECONDS = 15.0
"""Without a worker, before that is said."""


@dataclass(frozen=True)
class Options:
    """What ``benchmarks/executor/ray.yaml`` says; the file explains each."""

    address: str | None = None
    cpus: float | None = None
    gpus: float | None = None
    memory: str | None = None
    shared: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        for name in ("cpus", "gpus"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"executor.{name}={value:g} is not more than 0")
        if self.gpus is not None and self.gpus > 1 and self.gpus % 1:
            raise UsageError(f"executor.gpus={self.gpus:g} is neither a share of a GPU nor a number of them")
        if self.memory is not None:
            size("executor.memory", self.memory)


def make(
    options: Options,
    *,
    jobs: int | None,
    looks: Plan | None,
    retries: int,
    max_failures: int | None,
    wait: bool,
    output: Path,
) -> Executor:
    """Return the executor, connected to its cluster.

    Args:
        options: For the cluster and its workers.
        jobs: Runs at a time; None for as many as the nodes have room for.
        looks: The plan that the runs' records carry, if it decides the number of seeds.
        retries: Times that a run is tried again after a failure of the machine.
        max_failures: Runs that may end otherwise than done before the rest is cancelled; None for any number.
        wait: Whether to wait for runs that other processes train.
        output: The folder of the results.

    Raises:
        UsageError: There is no cluster, or ``shared`` is set and a node does not see the folder.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Ray reads its environment when it is imported, and takes seconds.
    from harness.executors.ray_cluster import Cluster
    from harness.executors.ray_nodes import Nodes

    cluster = Cluster(options.address)
    try:
        nodes = Nodes(options, cluster, jobs)
        shared = options.shared is not False and _is_shared(output, must=bool(options.shared))
    except BaseException:
        cluster.close()
        raise
    if shared:
        engine = Ray(nodes, None if looks is None else looks.as_record(), wait=wait)
        return Elsewhere(engine, nodes.pack, retries=retries, max_failures=max_failures)

    def local(chains: Sequence[Chain]) -> LocalExecutor:
        kinds = {nodes.wants(chain[0]) for chain in chains if not all(planned.settled for planned in chain)}
        for wants in kinds:
            nodes.require(wants)
        most = jobs or max(1, sum(map(nodes.at_once, kinds)))
        return LocalExecutor(most, looks, retries=retries, max_failures=max_failures, wait=wait)

    return Apart(local, lambda planned: distant(nodes.marked(planned), nodes.send), cluster.close)


class Ray:
    """The engine for nodes that share the output folder (`harness.executors.engine.Engine`)."""

    def __init__(self, nodes: "Nodes", looks: dict[str, Any] | None, *, wait: bool) -> None:
        """Prepare.

        Args:
            nodes: Where runs are trained.
            looks: See `Batch`.
            wait: See `Batch`.
        """
        self._nodes, self._looks, self._wait = nodes, looks, wait
        self._waiting: deque[tuple[str, Batch, Wants, Collection[str]]] = deque()
        self._calls: dict[str, Call] = {}
        self._told: dict[str, list[Message]] = defaultdict(list)
        self._over: dict[str, str] = {}
        self._number = 0
        self._looked, self._met, self._begun = 0.0, False, time.monotonic()

    def submit(self, batches: Sequence[Sequence[Chain]], avoid: Collection[str], *, again: bool) -> list[str]:
        """See `Engine.submit`."""
        names = []
        for batch in batches:
            self._number += 1
            names.append(str(self._number))
            chains = [[packed(self._nodes.marked(planned)) for planned in chain] for chain in batch]
            # What a lost worker has left is nobody else's to end.
            sent = Batch(chains, os.getcwd(), self._looks, self._wait or again)
            self._waiting.append((names[-1], sent, self._nodes.wants(batch[0][0]), avoid))
        return names

    def heard(self, job: str) -> list[Message]:
        """See `Engine.heard`."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            for name in list(self._calls):
                self._look(name)
            self._begin()
            self._looked = time.monotonic()
        return self._told.pop(job, [])

    def over(self, jobs: Collection[str]) -> Mapping[str, str]:
        """See `Engine.over`."""
        return {job: self._over[job] for job in jobs if job in self._over}

    def stop(self, jobs: Collection[str], *, kill: bool) -> None:
        """See `Engine.stop`."""
        self._over |= {name: "not begun" for name, *_ in self._waiting}
        self._waiting.clear()
        for name, call in list(self._calls.items()):
            if kill or not call.met:
                self._nodes.cluster.end(self._calls.pop(name), kill=True)
                self._over[name] = "ended before it wrote a checkpoint" if call.met else "not begun"
            else:
                call.stop()

    def close(self, *, tidy: bool) -> None:
        """See `Engine.close`."""
        self._nodes.cluster.close()

    def _look(self, name: str) -> None:
        """Take in what a worker has said, and whether it is done."""
        call = self._calls[name]
        self._told[name] += call.look(0)
        self._met = self._met or call.met
        if call.over:
            self._nodes.cluster.end(self._calls.pop(name))
            self._over[name] = call.lost or "its worker has returned"
            if call.error is not None:
                self._told[name].append({"key": None, "event": "refused", "why": f"a Ray worker failed: {call.error}"})
        elif not self._met and time.monotonic() - self._begun > SAY_SECONDS:
            self._met = True
            self._told[name].append({"key": None, "event": "log", "text": waits(call.wants)})

    def _begin(self) -> None:
        """Have workers begin what waits, as far as there is room."""
        while self._waiting:
            name, batch, wants, avoid = self._waiting[0]
            if len(self._calls) >= self._nodes.at_once(wants):
                return
            self._waiting.popleft()
            self._calls[name] = self._nodes.cluster.begin("train", batch, wants, avoid)


def _is_shared(output: Path, *, must: bool) -> bool:
    """Whether all nodes see the output folder.

    Raises:
        UsageError: They must, and one does not.
    """
    from harness.executors.ray_nodes import seen

    probe = output.resolve() / f".seen-{secrets.token_hex(8)}"
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe.touch()
    except OSError as error:
        raise unwritable(f"output {output}: cannot be written to", error) from None
    try:
        blind = [node for node, sees in seen(str(probe)).items() if not sees]
    finally:
        probe.unlink(missing_ok=True)
    if blind and must:
        raise UsageError(f"executor.shared=true: node {blind[0]} of the Ray cluster does not see {output.resolve()}")
    if blind:
        say(f"node {blind[0]} does not see {output.resolve()}: records and networks are sent back from the workers")
    return not blind


def waits(wants: "Wants") -> str:
    """Say that no worker has room for runs that take this."""
    return "waits for a Ray worker with " + ", ".join(f"{name} {amount:g}" for name, amount in wants if amount)


def size(name: str, text: str) -> float:
    """Read a size such as ``4g``, in bytes.

    Raises:
        UsageError: It is none.
    """
    try:
        return float(docker.utils.parse_bytes(text))
    except docker.errors.DockerException:
        raise UsageError(f"{name}={text} is not a size: write 512m or 4g") from None
