"""What runs take of the nodes of a Ray cluster, and how they are brought there."""

import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.errors import UsageError, first_line
from harness.executors.apart import Answer, Parcel
from harness.executors.engine import Chain
from harness.executors.jobs import batches, expected_seconds
from harness.executors.ray import SAY_SECONDS, Options, size, waits
from harness.executors.ray_cluster import Call, Cluster, Wants
from harness.plan.planned import Planned
from harness.records.ending import Ending
from harness.runners.base import OnEvent

_GRACE_SECONDS = 90.0
"""For a run that is told to stop to write its checkpoint, and for that to come back."""
_BATCH_SECONDS, _BATCH_RUNS = 60.0, 64
"""What a worker is sent at a time: a start costs little, so this only spares short runs the way."""


class Nodes:
    """The nodes of a cluster, and what runs take of them.

    Attributes:
        cluster: The cluster.
    """

    def __init__(self, options: Options, cluster: Cluster, jobs: int | None) -> None:
        """Take the nodes as they are.

        Args:
            options: Of the executor.
            cluster: The cluster.
            jobs: Runs at a time; None for as many as there is room for.
        """
        self.cluster = cluster
        self._options, self._jobs = options, jobs
        self._memory = cluster.largest("memory")
        self._largest: dict[Wants, int] = {}
        self._avoid: dict[str, set[str]] = defaultdict(set)

    def wants(self, planned: Planned) -> Wants:
        """Return what a run takes of a node."""
        run, options, boxed = planned.run, self._options, planned.choice.image is not None
        cpus = options.cpus or (boxed and run.runner.cpus) or run.nproc * (run.recipe.threads or 1)
        gpus = 0.0
        if run.device == "cuda":  # of several processes each has one of its own
            gpus = (options.gpus or 1.0) if run.nproc == 1 else max(options.gpus or 1.0, float(run.nproc))
        memory = 0.0
        if options.memory is not None:
            memory = size("executor.memory", options.memory)
        elif boxed:  # a limit, which no run may need: it keeps no node from taking one run
            memory = min(size("runner.memory", run.runner.memory), self._memory)
        return tuple({"CPU": float(cpus), "GPU": gpus, "memory": memory}.items())

    def marked(self, planned: Planned) -> Planned:
        """Return a run that says how many share its device, or its node."""
        if planned.run.device == "cuda":
            share = self._options.gpus
            packed = int(1 / share + 1e-9) if share else 1
        else:
            wants = self.wants(planned)
            if wants not in self._largest:
                self._largest[wants] = max(self.cluster.room(wants), default=1)
            packed = min(self._largest[wants], self._jobs or sys.maxsize)
        return replace(planned, run=replace(planned.run, packed=max(packed, 1)))

    def at_once(self, wants: Wants) -> int:
        """Return how many runs that take this are trained at a time; at least 1, for a node may come back."""
        return max(1, sum(self.cluster.room(wants))) if self._jobs is None else self._jobs

    def require(self, wants: Wants) -> None:
        """Make sure that a node can take a run.

        Raises:
            UsageError: It is too large for all of them.
        """
        if not any(self.cluster.room(wants)):
            has = ", ".join(f"{name} {self.cluster.largest(name):g}" for name, amount in wants if amount)
            asked = ", ".join(f"{name} {amount:g}" for name, amount in wants if amount)
            raise UsageError(f"no node of the Ray cluster can take a run: it takes {asked}, and the most are {has}")

    def pack(self, chains: Sequence[Chain]) -> list[list[Chain]]:
        """Put chains into batches of runs that take the same.

        Raises:
            UsageError: One is too large for all nodes.
        """
        groups: dict[Wants, list[Chain]] = defaultdict(list)
        for chain in chains:
            groups[self.wants(chain[0])].append(chain)
        found: list[list[Chain]] = []
        for wants, group in groups.items():
            self.require(wants)
            more = 4 * self.at_once(wants)  # so that all workers end at about the same time
            seconds = expected_seconds
            found += map(list, batches(group, seconds, at_least=more, per_job=_BATCH_SECONDS, most=_BATCH_RUNS))
        return found

    def send(self, planned: Planned, parcel: Parcel, on_event: OnEvent) -> Answer:
        """Have a run trained whose folder is here; see `harness.executors.apart.Send`."""
        avoid = self._avoid[planned.key]  # where it has failed: it is tried again elsewhere
        call = self.cluster.begin("train_apart", parcel, self.wants(planned), frozenset(avoid))
        try:
            answer = _followed(call, on_event)
        finally:
            self.cluster.end(call, kill=not call.over)
        if call.node and answer.ending is not None and answer.ending.status == "failed":
            avoid.add(call.node)
        return answer


def _followed(call: Call, on_event: OnEvent) -> Answer:
    begun, deadline, said = time.monotonic(), 0.0, False
    while not call.over:
        messages = [message for message in call.look(1.0) if message["event"] != "node"]
        if not (call.met or said) and time.monotonic() - begun > SAY_SECONDS:
            messages, said = [{"event": "log", "text": waits(call.wants)}], True
        try:
            for message in messages or [{"event": "waiting"}]:
                if not deadline:
                    on_event(message)
        except KeyboardInterrupt:
            deadline = time.monotonic() + _GRACE_SECONDS
        if deadline:
            if not call.met or time.monotonic() > deadline:
                return Answer(Ending("interrupted", "interrupted; run it again"))
            call.stop()
    if call.error is not None:
        return Answer(None, why=f"the Ray worker failed: {call.error}")
    if call.lost is not None:
        return Answer(Ending("failed", f"{call.lost}: stopped from outside the harness"))
    answer: Answer = call.answer
    return answer


def seen(path: str) -> dict[str, bool]:
    """Return which nodes see a file, by their names.

    Raises:
        UsageError: A node cannot tell, or has not this package.
    """

    # Sent as it is written here, since the package may not be there.
    def look(path: str) -> tuple[bool, bool]:
        import importlib.util
        import os

        return importlib.util.find_spec("harness") is not None, os.path.exists(path)

    nodes = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    there: Any = ray.remote(num_cpus=0, max_retries=0)(look)
    asked = {
        node: there.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(path)
        for node in nodes
    }
    found = {}
    for node, answer in asked.items():
        try:
            installed, sees = ray.get(answer)
        except RayError as error:
            raise UsageError(f"node {nodes[node]} of the Ray cluster does not answer: {first_line(error)}") from None
        if not installed:
            raise UsageError(f"node {nodes[node]} of the Ray cluster has no sparsebench: install it there too")
        found[f"{nodes[node]} ({node[:8]})"] = sees
    return found
