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
        record: As published; None if the run was cancelled before it began.
        path: The record's file.
        trained: False if its record existed already.
    """

    record: Record | None
    path: Path | None
    trained: bool = True

    @property
    def status(self) -> str:
        """The status in its record."""
        return "interrupted" if self.record is None else str(self.record["status"])


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
