"""The protocol of trackers. It is spoken inside the process of one tracker (`harness.exporters.worker`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Scalar = str | int | float | bool
Values = Mapping[str, float]


@dataclass(frozen=True)
class About:
    """Which run it is.

    Attributes:
        key: The run's key, by which a tracker finds it when it is resumed.
        name: The name of the run's record, without its ending.
        group: The row of the run: its cell without the seed, and a digest of all settings but the seed.
        settings: What defines the run, flat, under dotted names. Neither paths nor names of machines are among it.
    """

    key: str
    name: str
    group: str
    settings: Mapping[str, Scalar]


class Tracked(Protocol):
    """A run in a tracker.

    Whatever a method raises is said in one line, and the run is exported no further.

    Attributes:
        last: The step of the last point that the tracker has of it already; -1 if there is none, or if new points take
            the place of what is there.
        ended: The status that it has ended with already; empty if it has not, or the tracker does not know.
    """

    last: int
    ended: str

    def point(self, step: int, values: Values) -> None:
        """Add figures at a step; steps never fall, and a figure comes once for each."""

    def end(self, status: str, step: int, results: Values) -> None:
        """Add the final figures and let go of the run.

        Args:
            status: One of `harness.vocabulary.STATUSES`.
            step: The last step.
            results: Figures of the record; empty if there is none, or if the run was interrupted.
        """

    def close(self) -> None:
        """Let go of the run and leave it as it is."""


class Tracker(Protocol):
    """A tracker: the class ``Tracker`` of its module, made with the value of its setting."""

    def start(self, about: About) -> Tracked:
        """Open a run; one that the tracker has already, by its key, is continued."""
