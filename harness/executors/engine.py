"""The protocol of engines: they bring batches to other machines as jobs, and know which jobs are over."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from harness.executors.batch import Message
from harness.plan.planned import Planned

Chain = Sequence[Planned]


class Engine(Protocol):
    """Brings batches to machines."""

    def submit(self, batches: Sequence[Sequence[Chain]], avoid: Collection[str], *, again: bool) -> list[str]:
        """Submit a job for each batch and return their names.

        Args:
            batches: Chains, those of a job together.
            avoid: Nodes that have failed them; others are to be taken if there are others.
            again: Whether they were submitted before.

        Raises:
            UsageError: They are not accepted.
        """

    def heard(self, job: str) -> list[Message]:
        """Return what a job has told since the last call."""

    def over(self, jobs: Collection[str]) -> Mapping[str, str]:
        """Return which of these jobs are over, each with what is said of its end."""

    def stop(self, jobs: Collection[str], *, kill: bool) -> None:
        """Have jobs write checkpoints and end, and those that wait leave; or end them at once."""

    def close(self, *, tidy: bool) -> None:
        """Let go of all jobs, whose runs have ended; ``tidy`` also removes what they have left but runs and records."""
