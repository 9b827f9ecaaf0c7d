"""Which runner takes a run, and why."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config import RunConfig, RunnerConfig
from harness.runners import local
from harness.runners.outcome import Outcome

Runner = Callable[[Path, Path, RunnerConfig, Callable[[dict[str, Any]], None], Path], Outcome]


@dataclass(frozen=True)
class Choice:
    """A runner, ready.

    Attributes:
        name: ``docker`` or ``local``, as in the record.
        why: One line for a person.
        run: Takes the request.
        image_id: Of the verified image; None for a local run.
        provenance: What is known of the runner before the run.
    """

    name: str
    why: str
    run: Runner
    image_id: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)


def choose(run: RunConfig) -> Choice:
    """Choose the runner of a run."""
    return Choice("local", "runner local: asked for", local.run)


def image_id(run: RunConfig) -> str | None:
    """Return the image that a run would have, for its key; None for a local one."""
    return choose(run).image_id
