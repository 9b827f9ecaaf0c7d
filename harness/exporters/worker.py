"""The process of a tracker: reads messages, a JSON object a line, and passes them on to the tracker.

Messages are ``{"do": "start", "about": {...}}``, ``{"do": "point", "key": ..., "step": ..., "values": {...}}`` and
``{"do": "end", "key": ..., "status": ..., "step": ..., "points": [...], "results": {...}}``. Each is answered by an
empty line, after a line with the reason if a run is exported no further. What a library prints goes nowhere, and it has
no terminal to prompt on.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

from harness.errors import first_line
from harness.exporters.base import About, Tracked, Tracker

UNFINISHED = "interrupted"
"""The status of runs that are open when the harness is gone."""


def main() -> None:
    """Serve the tracker that the command line names, until there are no more messages."""
    name, where = sys.argv[1:3]
    messages, answers = _own_streams()

    def answer(text: str) -> None:
        answers.write(text.encode(errors="replace") + b"\n")
        answers.flush()

    try:
        tracker: Tracker = import_module(f"harness.exporters.{name}").Tracker(where)
    except Exception as error:
        answer(said(error))
        return
    runs = Runs(tracker, answer)
    for line in messages:
        runs.take(json.loads(line))
        answer("")
    runs.close()


class Runs:
    """The runs of one tracker."""

    def __init__(self, tracker: Tracker, answer: Callable[[str], None]) -> None:
        """Begin with none.

        Args:
            tracker: Takes them.
            answer: Takes why a run is exported no further, each reason once.
        """
        self._tracker, self._answer = tracker, answer
        self._open: dict[str, _Open] = {}
        self._said: set[str] = set()

    def take(self, message: dict[str, Any]) -> None:
        """Pass on a message. Whatever the tracker raises ends the export of that run; the next one is tried anew."""
        key = message["about"]["key"] if message["do"] == "start" else message["key"]
        try:
            match message["do"]:
                case "start":
                    self._open[key] = _Open(self._tracker.start(About(**message["about"])))
                case "point" if key in self._open:
                    self._open[key].point(message)
                case "end" if key in self._open:
                    self._open.pop(key).end(message)
        except Exception as error:
            self._open.pop(key, None)
            if (text := said(error)) not in self._said:
                self._said.add(text)
                self._answer(text)

    def close(self) -> None:
        """End what is still open."""
        for key in list(self._open):
            self.take({"do": "end", "key": key, "status": UNFINISHED, "step": 0, "points": [], "results": {}})


class _Open:
    """A run that is being exported."""

    def __init__(self, run: Tracked) -> None:
        self._run, self._last, self._added = run, run.last, False
        self._figures: set[str] = set()  # of the last point that was added

    def point(self, point: dict[str, Any]) -> None:
        """Add a point, unless the tracker has it: a resumed run repeats the steps since its checkpoint.

        A step that is evaluated after it was told of, as after an event that takes no step, is told of twice.
        """
        values = point["values"]
        if point["step"] == self._last and self._added:
            values = {name: value for name, value in values.items() if name not in self._figures}
        elif point["step"] <= self._last:
            return
        else:
            self._figures = set()
        if values:
            self._run.point(point["step"], values)
            self._last, self._added = point["step"], True
            self._figures |= set(values)

    def end(self, message: dict[str, Any]) -> None:
        """End it with the points that are missing; one that had ended like this already is left alone."""
        if self._run.ended == message["status"] and not self._added:
            self._run.close()
            return
        for point in message["points"]:
            self.point(point)
        self._run.end(message["status"], max(message["step"], self._last, 0), message["results"])


def _own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Return streams from and to the harness; those that a library would use lead nowhere."""
    ours = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    return ours


def said(error: BaseException) -> str:
    """Say in one line what went wrong."""
    return first_line(error) if isinstance(error, OSError) else f"{type(error).__name__}: {first_line(error)}"
