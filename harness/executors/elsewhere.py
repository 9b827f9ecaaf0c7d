"""Watches jobs that train batches elsewhere, and turns what they tell into the events of an executor.

An engine (`harness.executors.engine`) brings batches to other machines as jobs and says which jobs are over. What is
needed of a run is in its record and in the messages of its worker (`harness.executors.batch`). A run whose job is over
without an end of the run is lost: it is submitted again, like one that has failed because of the machine.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from harness.errors import UsageError
from harness.executors.base import Event, Finished, Progressed, Started
from harness.executors.batch import Message
from harness.executors.causes import is_of_machine
from harness.executors.engine import Chain, Engine
from harness.executors.execute import existing
from harness.executors.publishing import record_path
from harness.plan.existing import SETTLED
from harness.plan.planned import Planned
from harness.records import Record, RecordError, load

LISTEN_SECONDS, LOOK_SECONDS = 1.0, 5.0
"""Between two looks at the messages of jobs, and two questions to the engine."""
SEEN_SECONDS = 120.0
"""For a record to appear on this machine once its run has ended elsewhere: file servers may take a minute."""
GRACE_SECONDS = 120.0
"""For jobs that are stopped to write checkpoints, before they are killed."""


@dataclass
class _Job:
    """A job.

    Attributes:
        chains: What it trains.
        left: The keys of its runs that have not ended.
        node: Where it is; empty if it did not say.
    """

    chains: Sequence[Chain]
    left: set[str] = field(default_factory=set)
    node: str = ""


class Elsewhere:
    """An executor (`harness.executors.base.Executor`) that has an engine train."""

    def __init__(
        self,
        engine: Engine,
        pack: Callable[[Sequence[Chain]], list[list[Chain]]],
        *,
        retries: int = 0,
        max_failures: int | None = None,
    ) -> None:
        """Prepare.

        Args:
            engine: It has the jobs.
            pack: Decides which chains share a job.
            retries: Times that a run is submitted again after a failure of the machine.
            max_failures: Runs that may end otherwise than done before the rest is cancelled; None for any number.
        """
        self._engine, self._pack, self._retries, self._most = engine, pack, retries, max_failures
        self._runs: dict[str, Planned] = {}
        self._jobs: dict[str, _Job] = {}
        self._again: list[tuple[Chain, str]] = []
        self._unseen: dict[str, tuple[float, str, Message]] = {}
        self._tries: dict[str, int] = {}
        self._started: set[str] = set()
        self._events: deque[Event] = deque()
        self._failures = 0
        self._lost = False
        self._error: UsageError | None = None
        self._stopped: float | None = None
        self._looked = 0.0

    def submit(self, chains: Sequence[Chain]) -> None:
        """See `harness.executors.base.Executor.submit`."""
        wanted = []
        for chain in chains:
            for planned in chain:
                if (found := existing(planned)) is not None:
                    self._events.append(found)
                else:
                    self._runs[planned.key] = planned
            if missing := [planned for planned in chain if planned.key in self._runs]:
                wanted.append(missing)
        if wanted:
            self._bring(wanted, (), again=False)

    def events(self) -> Iterator[Event]:
        """See `harness.executors.base.Executor.events`."""
        while self._events or self._runs:
            while self._events:
                yield self._events.popleft()
            if self._runs:
                self._go_on()
                if not self._events:
                    time.sleep(LISTEN_SECONDS)
        self._engine.close(tidy=not self._lost and self._error is None)
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """See `harness.executors.base.Executor.cancel`."""
        if self._stopped is None:
            self._stopped = time.monotonic()
            self._looked = 0.0

    def _go_on(self) -> None:
        """Take in what has happened since the last time."""
        for name, job in list(self._jobs.items()):
            self._listen(name, job)
        for since, name, message in list(self._unseen.values()):
            self._end(name, message, since)
        if self._stopped is None and self._again:
            chains, nodes = zip(*self._again, strict=True)
            self._again = []
            self._bring(chains, {node for node in nodes if node}, again=True)
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self._look()

    def _bring(self, chains: Sequence[Chain], avoid: Collection[str], *, again: bool) -> None:
        try:
            batches = self._pack(chains)
            names = self._engine.submit(batches, avoid, again=again)
        except UsageError as error:
            if not again:
                self._runs.clear()
                raise
            self._fail(error)
            for planned in (planned for chain in chains for planned in chain):
                self._finish(Finished(planned, None, None))
            return
        for name, batch in zip(names, batches, strict=True):
            self._jobs[name] = _Job(batch, {planned.key for chain in batch for planned in chain})

    def _listen(self, name: str, job: _Job) -> None:
        for message in self._engine.heard(name):
            planned = self._runs.get(str(message.get("key")))
            match message["event"]:
                case "node":
                    job.node = str(message["name"])
                case "refused":
                    self._fail(UsageError(str(message["why"])))
                case "log" if planned is None:
                    self._tell(job.chains[0][0], str(message["text"]))
                case "taken" if planned is not None and planned.key not in self._started:
                    self._started.add(planned.key)
                    self._events.append(Started(planned))
                case "progress" | "log" if planned is not None:
                    self._events.append(Progressed(planned, {**message}))
                case "ended" if planned is not None and planned.key in job.left:
                    self._end(name, message, time.monotonic())

    def _end(self, name: str, message: Message, since: float) -> None:
        """Take in the end of a run, once its record can be seen."""
        job, key = self._jobs[name], str(message["key"])
        planned = self._runs[key]
        if message["left"] is not None:
            self._finish(Finished(planned, None, None, trained=False, left=str(message["left"])))
        elif message["status"] == "interrupted" and self._stopped is None:
            return  # its job is requeued, or else it is lost with it
        elif (record := _record(planned)) is None or record["status"] != message["status"]:
            if message["status"] == "interrupted" or time.monotonic() - since > SEEN_SECONDS:
                self._lose(job, [planned], "left no record")
            else:
                self._unseen[key] = (since, name, message)
                return
        elif is_of_machine(record):
            self._lose(job, [planned], str(record["reason"]))
        else:
            self._finish(Finished(planned, record, record_path(planned), trained=bool(message["trained"])))
        self._unseen.pop(key, None)
        job.left.discard(key)

    def _look(self) -> None:
        """Ask which jobs are over; what they have left is lost, unless it has a record."""
        for name, said in self._engine.over(self._jobs).items():
            job = self._jobs[name]
            self._listen(name, job)
            waited_for = {key for key, (_, of, _) in self._unseen.items() if of == name}
            lost = [run for chain in job.chains for run in chain if run.key in job.left - waited_for]
            job.left &= waited_for
            if lost:
                self._lost = self._lost or self._stopped is None
                self._lose(job, lost, f"job {name} is over ({said})")
            if not job.left:
                del self._jobs[name]
        if self._stopped is not None:
            self._let_go()

    def _lose(self, job: _Job, lost: Sequence[Planned], why: str) -> None:
        """Submit lost runs again, or end them if that was done often enough; one that has a good record has ended."""
        keys = {planned.key for planned in lost}
        for chain in job.chains:
            again = []
            for planned in (planned for planned in chain if planned.key in keys):
                record, path = _record(planned), record_path(planned)
                tries = self._tries[planned.key] = self._tries.get(planned.key, 0) + 1
                if record is not None and record["status"] in SETTLED:
                    self._finish(Finished(planned, record, path))
                elif self._stopped is None and tries <= self._retries:
                    self._tell(planned, f"{why}: submitted again, {tries} of {self._retries}")
                    again.append(planned)
                else:
                    if self._stopped is None:
                        self._tell(planned, f"{why}: given up")
                    self._finish(Finished(planned, record, None if record is None else path))
            if again:
                self._again.append((again, job.node))

    def _let_go(self) -> None:
        """Stop what is under way, and end what no job has."""
        assert self._stopped is not None
        self._again = []
        held = self._unseen.keys() | {key for job in self._jobs.values() for key in job.left}
        for planned in [planned for key, planned in self._runs.items() if key not in held]:
            self._finish(Finished(planned, None, None))
        self._engine.stop(self._jobs, kill=time.monotonic() - self._stopped > GRACE_SECONDS)

    def _finish(self, event: Finished) -> None:
        del self._runs[event.planned.key]
        self._events.append(event)
        if event.failed:
            self._failures += 1
            if self._failures == self._most:
                self._tell(event.planned, f"{self._most} runs failed, so the others are stopped (max_failures)")
                self.cancel()

    def _fail(self, error: UsageError) -> None:
        self._error = self._error or error
        self.cancel()

    def _tell(self, planned: Planned, text: str) -> None:
        self._events.append(Progressed(planned, {"event": "log", "text": text}))


def _record(planned: Planned) -> Record | None:
    """Return the run's record, as far as it can be seen here."""
    try:
        record = load(record_path(planned))
    except (OSError, RecordError):
        return None
    return record if record["key"] == planned.key else None
