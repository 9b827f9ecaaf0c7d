"""The worker of the Ray executor: an actor that holds what a run takes of a node, and trains what it is sent.

It trains in one thread and answers in others, so that what it says can be taken from it, and it can be told to stop,
while it trains.
"""

import queue
import threading
from contextlib import suppress

import ray

from harness.executors import apart
from harness.executors.batch import Batch, Message
from harness.executors.batch import Worker as Trainer

HEARD_SECONDS = 1.0
OVER = "over"
"""The last message of a call."""


class Worker:
    """The actor."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._messages: queue.Queue[Message] = queue.Queue()
        self._stop = threading.Event()
        self._trainer: Trainer | None = None

    def train(self, batch: Batch) -> list[tuple[str, str]]:
        """Train a batch into the folder that all nodes see (`harness.executors.batch`)."""
        self._begin()
        try:
            self._trainer = Trainer(batch, self._messages.put)
            return self._trainer.train()
        finally:
            self._messages.put({"event": OVER})

    def train_apart(self, parcel: apart.Parcel) -> apart.Answer:
        """Train a run whose folder lies elsewhere (`harness.executors.apart`)."""
        self._begin()

        def on_event(message: Message) -> None:
            if self._stop.is_set():
                raise KeyboardInterrupt
            if message["event"] != "waiting":
                self._messages.put(message)

        try:
            return apart.train(parcel, on_event)
        finally:
            self._messages.put({"event": OVER})

    def heard(self) -> list[Message]:
        """Return what was said since the last call, or nothing after a second; of the steps of a run the last."""
        found: list[Message] = []
        with suppress(queue.Empty):
            found.append(self._messages.get(timeout=HEARD_SECONDS))
            while True:
                found.append(self._messages.get_nowait())
        return [one for one, later in zip(found, [*found[1:], None], strict=False) if not _is_passed(one, later)]

    def stop(self) -> None:
        """Have the runs under way write a checkpoint and end."""
        self._stop.set()
        if self._trainer is not None:
            self._trainer.stop()

    def _begin(self) -> None:
        self._stop.clear()
        self._messages.put({"key": None, "event": "node", "name": ray.get_runtime_context().get_node_id()})


def _is_passed(message: Message, later: Message | None) -> bool:
    """Whether a message is of a step that the next one makes uninteresting."""
    if later is None or message["event"] != "progress" or later["event"] != "progress":
        return False
    return not message["evaluated"] and message.get("key") == later.get("key")
