"""What a job of the Slurm executor does; submitit calls it on its node.

Slurm sends its signals to every process of a job, the runs among them. Of SIGUSR2, with which it warns of the time
limit, they must not know, for it would end them. SIGTERM has them write checkpoints, as it does anyway.
"""

import json
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from submitit import JobEnvironment
from submitit.core.utils import DelayedSubmission

from harness.executors.batch import Batch, Message, Worker

STOP = "stop"
"""The file, beside that of the messages, that has jobs stop."""


class Job:
    """What a job does: it trains a batch, in the protocol of submitit (``submitit.helpers.Checkpointable``)."""

    def __init__(self) -> None:
        """Begin with nothing, so that it can be pickled."""
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None

    def __call__(self, batch: Batch, told: Path) -> list[tuple[str, str]]:
        """Train a batch, with messages to a file; return the key and the status of each run that has ended."""
        ended: list[tuple[str, str]] = []
        errors: list[BaseException] = []
        if os.environ.get("SLURM_RESTART_COUNT", "0") != "0":
            batch = replace(batch, wait=True)
        batch = _without(batch, _ended(told))

        def tell(message: Message) -> None:
            # Opened each time: a file server shows others what was written once it is closed.
            with told.open("a") as file:
                file.write(json.dumps(message) + "\n")

        worker = self._worker = Worker(batch, tell)

        def train() -> None:
            # What this thread starts has the mask too.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]})
            try:
                tell({"key": None, "event": "node", "name": os.environ.get("SLURMD_NODENAME", "")})
                ended.extend(worker.train())
            except BaseException as error:
                errors.append(error)

        # In a thread, since a handler of signals that waits for the end must not wait for the thread it interrupts.
        self._thread = threading.Thread(target=train)
        signal.signal(signal.SIGTERM, self._end)
        self._thread.start()
        while self._thread.is_alive():
            self._thread.join(1.0)
            if told.with_name(STOP).exists():
                worker.stop()
        if errors:
            raise errors[0]
        return ended

    def checkpoint(self, batch: Batch, told: Path) -> DelayedSubmission:
        """Have the runs write checkpoints; return what is to be called once the job was requeued."""
        self._stop()
        return DelayedSubmission(Job(), replace(batch, wait=True), told)

    def _end(self, *_: object) -> None:
        """On SIGTERM, of a preemption or a cancellation: Slurm decides whether the job is requeued."""
        self._stop()
        sys.exit(128 + signal.SIGTERM)

    def _stop(self) -> None:
        if self._worker is not None and self._thread is not None:
            self._worker.stop()
            self._thread.join()


def read(line: bytes) -> Message | None:
    """Return the message of a line; None for one that was cut short, as its job was killed."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and "event" in message else None


def _ended(told: Path) -> set[str]:
    """Return the keys of the runs whose end a job has told before it was requeued: the command has acted on it."""
    try:
        lines = told.read_bytes().splitlines()
    except FileNotFoundError:
        return set()
    messages = filter(None, map(read, lines))
    return {str(one["key"]) for one in messages if one["event"] == "ended" and one["status"] != "interrupted"}


def _without(batch: Batch, keys: set[str]) -> Batch:
    chains = [[run for run in chain if run["key"] not in keys] for chain in batch.chains]
    return replace(batch, chains=[chain for chain in chains if chain])
