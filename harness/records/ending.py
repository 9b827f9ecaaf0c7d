"""How a run ended, as seen from outside: the one type for this, from containers up to executors."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    """How a run's process ended.

    Attributes:
        status: None if it exited by itself, so that the record it left decides; else the status to publish instead.
        reason: Why, in one line.
        seconds: How long it ran by the harness's clock.
    """

    status: str | None = None
    reason: str | None = None
    seconds: float = 0.0


class RefusedError(Exception):
    """Nothing that a run left may be published, and its record holds no more than this status and reason.

    Attributes:
        status: Of the run.
        reason: Why, in one line.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason
