"""What a container prints: events, and lines for the log. None of it is trusted."""

import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

from harness import events
from harness.machine import logs

LONGEST_LINE = 64 * 1024
LONGEST_SHOWN = 2000
SHOWN_LINES = 200
"""Lines that go to the display too; a method that prints without end would bury the progress."""

# Everything but printable text and tabs: escape sequences from inside must not reach a terminal.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class Output:
    """Takes a container's output in pieces; passes events on and writes all other lines to the log file."""

    def __init__(
        self, on_event: Callable[[dict[str, Any]], None], log: Path, longest: int = LONGEST_LINE, whole: bool = False
    ) -> None:
        """Prepare.

        Args:
            on_event: Takes each event, and ``{"event": "log", "text": ...}`` for each of the first lines.
            log: File to append to.
            longest: Bytes after which a line without an end is taken as one.
            whole: Pass lines on as long as they are, not their first `LONGEST_SHOWN` characters.
        """
        self._on_event = on_event
        self._longest = longest
        self._most = longest if whole else LONGEST_SHOWN
        self._path = log
        self._file: IO[str] | None = None
        self._pending = b""
        self._written = 0
        self._shown = 0
        self._last: deque[str] = deque(maxlen=8)
        self.received = 0
        """Bytes taken so far."""

    def __enter__(self) -> Self:
        """Open the log."""
        self._file = self._path.open("a", buffering=1, encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Take the rest of the last line, and close the log."""
        self._line(self._pending)
        self._pending = b""
        if self._file is not None:
            self._file.close()

    def feed(self, piece: bytes) -> None:
        """Take the next piece of output, which may begin and end anywhere in a line."""
        self.received += len(piece)
        *lines, self._pending = (self._pending + piece).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._pending) > self._longest:
            self._line(self._pending)
            self._pending = b""

    def tell_waiting(self) -> None:
        """Tell the taker of events that nothing has come, so that it can raise KeyboardInterrupt."""
        self._pass_on({"event": "waiting"})

    @property
    def last(self) -> str:
        """The last lines that were not events, on one line."""
        return " | ".join(self._last)

    def _line(self, line: bytes) -> None:
        text = _CONTROL.sub("", line.decode(errors="replace")).rstrip()
        if not text:
            return
        event = events.read(text)
        if event is None:
            self._log(text)
        else:
            self._pass_on(event)

    def _pass_on(self, event: dict[str, Any]) -> None:
        try:
            self._on_event(event)
        except KeyboardInterrupt:
            # Told to stop: from now on only the log takes what the run still says.
            self._on_event = _ignore
            raise

    def _log(self, text: str) -> None:
        self._last.append(text[:500])
        if self._shown < SHOWN_LINES:
            self._shown += 1
            more = "" if self._shown < SHOWN_LINES else f" (what follows is in {self._path} alone)"
            self._pass_on({"event": "log", "text": text[: self._most] + more})
        if self._file is not None:
            self._file.write(f"{text}\n")
            self._written += len(text) + 1
            if self._written > logs.LARGEST:
                logs.trim(self._path)
                self._written = logs.KEPT


def _ignore(event: dict[str, Any]) -> None:
    """Take an event and do nothing."""
