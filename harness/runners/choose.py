"""Chooses the runner of a run, and says why."""

from harness.config import RunConfig
from harness.errors import UsageError
from harness.runners.base import Choice
from harness.runners.local import LocalRunner


def choose(run: RunConfig) -> Choice:
    """Choose the runner of a run.

    ``docker`` and ``local`` are binding; ``auto`` takes a container where an engine answers and has the image of the
    present Dockerfile and locks, else a process on this machine. The engine is queried each time: code that plans many
    runs keeps the choice for those of one ``runner.name`` and image, and of one number of GPUs.

    Raises:
        UsageError: ``docker`` is requested and there is no engine, or no image that may be run.
    """
    if run.runner.name == "local":
        return Choice(LocalRunner(), "runner local: requested")
    try:
        if run.device == "cuda" and run.nproc > 1:
            raise UsageError(f"nproc={run.nproc} takes {run.nproc} GPUs, and a container gets one: use runner=local")
        return _docker(run)
    except UsageError as error:
        if run.runner.name == "docker":
            raise UsageError(f"runner=docker: {error}") from None
        return Choice(LocalRunner(), f"runner local, not verified: {error}")


def _docker(run: RunConfig) -> Choice:
    # Imported here: a local run needs no engine, nor the time to import its client.
    from harness.runners.docker import available

    runner = available(run.runner.image or run.method.image)
    cause = "requested" if run.runner.name == "docker" else "an engine answers"
    image_id = runner.image.id.removeprefix("sha256:")[:12]
    return Choice(runner, f"runner docker: {cause}, image {image_id} verified")
