"""The protocol of runners: each trains one requested run somewhere and reports how it ended."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.config import RunnerConfig
from harness.containers.content import VerifiedImage
from harness.records.ending import Ending, RefusedError

__all__ = ["Choice", "Ending", "OnEvent", "RefusedError", "Runner"]

OnEvent = Callable[[dict[str, Any]], None]
"""Takes what a run says of itself, and ``{"event": "waiting"}`` about every second while it says nothing: what this
raises stops the run."""


class Runner(Protocol):
    """Trains requests.

    Attributes:
        name: As records hold it: ``docker`` or ``local``.
        image: The image that its containers are made from; None if it makes none.
        workplace: Where in a run's folder it trains, and keeps its checkpoint.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def image(self) -> VerifiedImage | None: ...  # noqa: D102

    @property
    def workplace(self) -> str: ...  # noqa: D102

    def run(self, request: Path, folder: Path, limits: RunnerConfig, on_event: OnEvent, log: Path) -> Ending:
        """Train a request to its end; the record of a run that may be published is then ``FOLDER/record.json``.

        Args:
            request: What `harness.training.worker` reads.
            folder: The run's working folder.
            limits: Time, memory and the rest.
            on_event: Takes the run's events.
            log: Receives what it prints.

        Returns:
            How it ended; ``interrupted`` after Ctrl-C, once the run has stopped and left a checkpoint.

        Raises:
            RefusedError: Nothing that the run left may be published.
            UsageError: The limits cannot be met: one out of range, or no GPU where CUDA is requested.
        """


@dataclass(frozen=True)
class Choice:
    """A runner that is ready, and why it was chosen.

    Attributes:
        runner: It takes the request.
        why: One line for a person.
    """

    runner: Runner
    why: str = ""

    @property
    def name(self) -> str:
        """``docker`` or ``local``, as in the record."""
        return self.runner.name

    @property
    def image(self) -> VerifiedImage | None:
        """The verified image; None for a local run."""
        return self.runner.image

    @property
    def provenance(self) -> dict[str, str]:
        """What a record's ``provenance`` holds of the image; nothing for a local run."""
        return {} if self.image is None else {"image_id": self.image.id, "base_digest": self.image.base_digest}
