"""Which runner takes a run, and why."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config.compose import RunConfig, RunnerConfig
from harness.errors import UsageError
from harness.runners import local
from harness.runners.base import Outcome

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
        workplace: Where in a run's folder it trains, and keeps its checkpoint.
    """

    name: str
    why: str
    run: Runner
    image_id: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    workplace: str = "."


def choose(run: RunConfig) -> Choice:
    """Choose the runner of a run.

    ``docker`` and ``local`` are orders; ``auto`` takes a container where an engine answers and has the image of the
    present Dockerfile and locks, else a process here.

    Raises:
        UsageError: ``docker`` was asked for and there is no engine, or no image that may be run.
    """
    if run.runner.name == "local":
        return Choice("local", "runner local: asked for", local.run)
    try:
        return _docker(run)
    except UsageError as error:
        if run.runner.name == "docker":
            raise UsageError(f"runner=docker: {error}") from None
        return Choice("local", f"runner local, not verified: {error}", local.run)


def image_id(run: RunConfig) -> str | None:
    """Return the image that a run would have, for its key; None for a local one."""
    return choose(run).image_id


def _docker(run: RunConfig) -> Choice:
    # Imported here: a local run needs no engine and not the time to import its client.
    from harness.runners.docker import WORKPLACE, available

    image = run.runner.image or run.method.image
    runner = available(image)
    asked = "asked for" if run.runner.name == "docker" else "an engine answers"
    facts = {"image_id": runner.image.id, "base_digest": runner.image.base_digest}
    why = f"runner docker: {asked}, image {runner.image.id.removeprefix('sha256:')[:12]} verified"
    return Choice("docker", why, runner.run, runner.image.id, facts, WORKPLACE)
