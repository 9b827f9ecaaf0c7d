"""The protocol of executors: they train planned runs somewhere and report what happens to them.

An executor is one file. It draws nothing and makes no board: whoever uses it follows its events.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.plan.planned import Planned
from harness.records import Record


@dataclass(frozen=True)
class Event:
    """Something that happened to a run.

    Attributes:
        planned: The run.
    """

    planned: Planned


@dataclass(frozen=True)
class Started(Event):
    """The run was taken up."""


@dataclass(frozen=True)
class Progressed(Event):
    """The run said something.

    Attributes:
        message: ``event`` is ``progress`` (step, loss, density and so on) or ``log`` (``text``).
    """

    message: dict[str, Any]


@dataclass(frozen=True)
class Finished(Event):
    """The run has ended, whatever became of it.

    Attributes:
        record: As published; None if the run was cancelled before it began, or left to another process.
        path: The record's file.
        trained: False if its record existed already, or another process trains it.
        left: Who trains it, in a line for a person, if it was left to another process; else None.
    """

    record: Record | None
    path: Path | None
    trained: bool = True
    left: str | None = None

    @property
    def status(self) -> str:
        """The status in its record; ``elsewhere`` if another process trains it."""
        if self.record is None:
            return "interrupted" if self.left is None else "elsewhere"
        return str(self.record["status"])

    @property
    def failed(self) -> bool:
        """Whether the run was trained, and not to its end."""
        return self.trained and self.status not in ("done", "interrupted")


Tell = Callable[[Event], None]


class Executor(Protocol):
    """Trains chains of planned runs: `submit` them, follow the `events`, or `cancel`."""

    def submit(self, chains: Sequence[Sequence[Planned]]) -> None:
        """Take up runs; each chain's runs one after the other, since each begins as the one before it ends."""

    def events(self) -> Iterator[Event]:
        """Yield what happens until every submitted run has ended, each with one `Finished`.

        Raises:
            UsageError: A run cannot be trained as configured; the others are cancelled.
        """

    def cancel(self) -> None:
        """Stop: runs under way are interrupted and leave a checkpoint, the rest do not start. `events` continues."""
