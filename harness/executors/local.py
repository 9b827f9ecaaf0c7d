"""The local executor: trains several runs at a time on this machine, each in its own process or container."""

import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.board.spending import Plan
from harness.executors.base import Event, Finished, Progressed, Started
from harness.executors.causes import MachineError, is_of_machine
from harness.executors.execute import execute, existing
from harness.executors.owner import POLL_SECONDS, TakenError
from harness.executors.publishing import Stamp, seen
from harness.machine.leases import LostError
from harness.plan.planned import Planned

RETRY_SECONDS = 5.0
"""Before a run is tried a second time; twice as long before each further time."""


class LocalExecutor:
    """Trains chains in threads, each of which waits for the process that trains its run."""

    def __init__(
        self,
        jobs: int = 1,
        looks: Plan | None = None,
        *,
        retries: int = 0,
        max_failures: int | None = None,
        wait: bool = True,
    ) -> None:
        """Prepare.

        Args:
            jobs: Runs at a time.
            looks: The plan that the runs' records carry, if it decides the number of seeds.
            retries: Times that a run is tried again after a failure of the machine (`harness.executors.causes`).
            max_failures: Runs that may end otherwise than done before the rest is cancelled; None for any number.
            wait: Whether to wait for runs that other processes train; otherwise they are left to them.
        """
        self._looks, self._retries, self._most, self._wait = looks, retries, max_failures, wait
        self._pool = ThreadPoolExecutor(jobs)
        self._events: queue.Queue[Event | BaseException] = queue.Queue()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._unfinished = 0
        self._failures = 0
        self._error: BaseException | None = None
        self._seen: dict[str, Stamp] = {}
        self._started: set[str] = set()
        self._taken: set[str] = set()

    def submit(self, chains: Sequence[Sequence[Planned]]) -> None:
        """See `Executor.submit`."""
        with self._lock:
            self._unfinished += sum(len(chain) for chain in chains)
        for planned in (planned for chain in chains for planned in chain):
            self._seen[planned.key] = seen(planned)
        for chain in chains:
            self._pool.submit(self._train_chain, chain)

    def events(self) -> Iterator[Event]:
        """See `Executor.events`."""
        while not self._over():
            try:
                event = self._events.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(event, BaseException):
                self._error = self._error or event
                self.cancel()
                continue
            yield event
        self._pool.shutdown()
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """See `Executor.cancel`."""
        self._stop.set()

    def _over(self) -> bool:
        """Whether every run has ended and every event was taken; one whose taker was interrupted is lost."""
        with self._lock:
            return not self._unfinished and self._events.empty()

    def _finish(self, event: Finished) -> None:
        with self._lock:
            self._unfinished -= 1
            if event.failed:
                self._failures += 1
                if self._failures == self._most:
                    self._stop.set()
                    self._say(event.planned, f"{self._most} runs failed, so the others are stopped (max_failures)")
            self._events.put(event)

    def _train_chain(self, chain: Sequence[Planned]) -> None:
        for number, planned in enumerate(chain):
            try:
                self._finish(self._train(planned, chain[number + 1] if number + 1 < len(chain) else None))
            except (TakenError, LostError) as error:
                self._put_back(chain[number:], error)
                return
            except BaseException as error:  # told to whoever follows the events, in their thread
                self._events.put(error)
                self._finish(Finished(planned, None, None))

    def _put_back(self, chain: Sequence[Planned], error: Exception) -> None:
        """Leave a chain whose first run another process trains to that process, or try it again later."""
        first = chain[0]
        if not self._wait and isinstance(error, TakenError):
            for planned in chain:
                self._finish(existing(planned) or Finished(planned, None, None, trained=False, left=str(error)))
            return
        if first.key not in self._taken:
            self._taken.add(first.key)
            with self._lock:
                alone = self._unfinished == len(chain)
            self._say(first, f"{error}: {'waiting for it' if alone else 'other runs come first'}")
        else:  # all others have been tried; where nothing is left to do, this is how its end is waited for
            self._stop.wait(POLL_SECONDS)
        self._pool.submit(self._train_chain, chain)

    def _train(self, planned: Planned, successor: Planned | None) -> Finished:
        found = existing(planned)
        if found is not None:
            return found
        next_one = successor if successor and not successor.settled else None
        for number in range(1, self._retries + 1):
            ended = None
            try:
                ended = self._try(planned, next_one)
                if self._stop.is_set() or ended.record is None or not is_of_machine(ended.record):
                    return ended
                failure = str(ended.record["reason"])
            except MachineError as error:
                failure = str(error)
            self._say(planned, f"{failure}: trying again, {number} of {self._retries}")
            if self._stop.wait(RETRY_SECONDS * 2 ** (number - 1)) and ended is not None:
                return ended
        return self._try(planned, next_one)

    def _try(self, planned: Planned, successor: Planned | None) -> Finished:
        if self._stop.is_set():
            return Finished(planned, None, None)
        if planned.key not in self._started:
            self._started.add(planned.key)
            self._events.put(Started(planned))

        def pass_on(message: dict[str, Any]) -> None:
            # A run is told to stop in the thread that its runner listens in.
            if self._stop.is_set():
                raise KeyboardInterrupt
            self._events.put(Progressed(planned, message))

        return execute(planned, pass_on, successor, wait=False, looks=self._looks, seen=self._seen[planned.key])

    def _say(self, planned: Planned, text: str) -> None:
        self._events.put(Progressed(planned, {"event": "log", "text": text}))
