"""Following what a container prints while it runs."""

import queue
import threading
import time
from contextlib import suppress

from harness.containers.engine import LOST, NoEngineError, connect
from harness.containers.output import Output

POLL_SECONDS = 0.2


class Follower:
    """Reads a container's output in a thread of its own, into a queue that the supervising thread empties."""

    def __init__(self, name: str) -> None:
        """Start to read the output of the container with this name."""
        self._name = name
        # Bounded: the engine keeps what we cannot take yet, so that a flood does not fill our memory.
        self._pieces: queue.Queue[bytes | None] = queue.Queue(maxsize=1000)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        # The supervising thread notices a failure by itself, and reads what is missing at the end.
        with suppress(NoEngineError, *LOST):
            # A connection of its own: this one is busy until the container ends.
            for piece in connect().containers.get(self._name).logs(stream=True, follow=True):
                self._pieces.put(piece)
        self._pieces.put(None)

    def pass_on(self, output: Output) -> None:
        """Pass on what comes within a poll's time, and give the taker of events the chance to stop the run."""
        self.drain(output)
        output.tell_waiting()

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
