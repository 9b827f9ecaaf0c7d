"""How a run's process ended, as its runner saw it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a runner reports.

    Attributes:
        status: None if the process ended by itself, so that its record speaks; else the status the runner gives.
        reason: Why, in a line.
        provenance: What only the runner knows (image, limits).
    """

    status: str | None = None
    reason: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
