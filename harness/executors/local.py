"""The local executor: trains several runs at a time on this machine, each in its own process or container."""

import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.board.spending import Plan
from harness.executors.base import Event, Finished, Progressed, Started
from harness.executors.execute import execute, existing
from harness.executors.owner import POLL_SECONDS, TakenError
from harness.plan.planned import Planned


class LocalExecutor:
    """Trains chains in threads, each of which waits for the process that trains its run."""

    def __init__(self, jobs: int = 1, looks: Plan | None = None) -> None:
        """Prepare.

        Args:
            jobs: Runs at a time.
            looks: The plan that the runs' records carry, if it decides the number of seeds.
        """
        self._looks = looks
        self._pool = ThreadPoolExecutor(jobs)
        self._events: queue.Queue[Event | BaseException] = queue.Queue()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._unfinished = 0
        self._error: BaseException | None = None
        self._started: set[str] = set()
        self._waiting: set[str] = set()

    def submit(self, chains: Sequence[Sequence[Planned]]) -> None:
        """See `Executor.submit`."""
        with self._lock:
            self._unfinished += sum(len(chain) for chain in chains)
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
            self._events.put(event)

    def _train_chain(self, chain: Sequence[Planned]) -> None:
        for number, planned in enumerate(chain):
            try:
                self._finish(self._train(planned, chain[number + 1] if number + 1 < len(chain) else None))
            except TakenError as error:
                self._say_once(planned, f"{error}: other runs come first")
                # Behind what is left to do. Where nothing is, this is how its end is waited for.
                self._stop.wait(POLL_SECONDS)
                self._pool.submit(self._train_chain, chain[number:])
                return
            except BaseException as error:  # told to whoever follows the events, in their thread
                self._events.put(error)
                self._finish(Finished(planned, None, None))

    def _train(self, planned: Planned, successor: Planned | None) -> Finished:
        found = existing(planned)
        if found is not None:
            return found
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

        next_one = successor if successor and not successor.settled else None
        return execute(planned, pass_on, next_one, wait=False, looks=self._looks)

    def _say_once(self, planned: Planned, text: str) -> None:
        if planned.key not in self._waiting:
            self._waiting.add(planned.key)
            self._events.put(Progressed(planned, {"event": "log", "text": text}))
