"""A tracker in a process of its own, as the harness holds it."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from harness.console import printable

PATIENCE = 120.0
"""Seconds without a sign of life after which a tracker that is waited for is ended."""

SAID_AFTER = 5.0
"""Seconds of waiting after which a line says what is waited for."""

MOST_PENDING = 10_000
"""Messages that may wait for a tracker before points are dropped."""

_LONGEST = 1000


class TrackerProcess:
    """One tracker: messages go in, and what went wrong comes out, both as lines (`harness.exporters.worker`)."""

    def __init__(self, name: str, where: str, tell: Callable[[str], None]) -> None:
        """Start it; if that fails, a line says so, and what is sent is dropped.

        Args:
            name: One of `harness.vocabulary.TRACKERS`.
            where: The value of its setting.
            tell: Takes lines, in any thread.
        """
        self._name, self._tell = name, tell
        self._pending: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._heard = time.monotonic()
        self._over = self._warned = False
        self._program: subprocess.Popen[bytes] | None = None
        code = f"import sys; sys.path[:] = {sys.path!r}; from harness.exporters.worker import main; main()"
        try:
            # A session of its own: Ctrl-C is the harness's, and what the runs say after it is exported as well.
            self._program = subprocess.Popen(
                [sys.executable, "-c", code, name, where],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self._warn(f"could not be started ({error.strerror})")
            return
        self._listener = threading.Thread(target=self._listen, args=(self._program,), daemon=True)
        for thread in (threading.Thread(target=self._feed, args=(self._program,), daemon=True), self._listener):
            thread.start()

    def send(self, message: dict[str, Any], *, droppable: bool = False) -> None:
        """Send a message; never waits.

        Args:
            message: See `harness.exporters.worker`.
            droppable: Whether it may be left out if the tracker does not keep up.
        """
        if self._program is None or self._program.poll() is not None:
            return
        if not (droppable and self._pending.qsize() >= MOST_PENDING):
            self._pending.put(message)

    def end(self) -> None:
        """Say that nothing follows."""
        self._over = True
        self._heard = time.monotonic()
        self._pending.put(None)

    def wait(self) -> None:
        """Wait for its end, as long as it gets on.

        Raises:
            KeyboardInterrupt: Ctrl-C; the process is ended.
        """
        program = self._program
        if program is None:
            return
        began, said = time.monotonic(), False
        try:
            while program.poll() is None:
                now = time.monotonic()
                if now - self._heard > PATIENCE:
                    self._warn(f"ended after {PATIENCE:g} seconds without a sign of life")
                    return
                if not said and now - began > SAID_AFTER:
                    said = True
                    self._tell(f"waiting for {self._name}")
                with suppress(subprocess.TimeoutExpired):
                    program.wait(0.1)
        finally:
            if program.poll() is None:
                self._warned = True  # it does not end by itself
                with suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)
                program.wait()
            self._listener.join(1.0)

    def _feed(self, program: subprocess.Popen[bytes]) -> None:
        """Write what is sent, until nothing follows or nobody reads."""
        assert program.stdin is not None
        with suppress(OSError), program.stdin as pipe:
            while (message := self._pending.get()) is not None:
                pipe.write(json.dumps(message).encode() + b"\n")
                pipe.flush()

    def _listen(self, program: subprocess.Popen[bytes]) -> None:
        """Read what it answers: an empty line for each message that it has taken, others say what went wrong."""
        assert program.stdout is not None
        with program.stdout as pipe:
            for line in pipe:
                self._heard = time.monotonic()
                if text := line.decode(errors="replace").strip():
                    self._warn(text)
        status = program.wait()
        if (status or not self._over) and not self._warned:
            self._warn(f"its process has ended (exit status {status})")

    def _warn(self, why: str) -> None:
        self._warned = True
        self._tell(f"{self._name}: {printable(why)[:_LONGEST]}; the runs go on")
