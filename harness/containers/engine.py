"""The container engine: finding one that answers, and what it reports about itself."""

import os
import shutil
from pathlib import Path

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from harness.errors import UsageError

LABEL = "org.sparsebench"
"""Prefix of every label that the suite puts on an image or a container."""

GIB = 1024**3

LOST: tuple[type[Exception], ...] = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""What the SDK raises when the engine goes away: its own errors, its libraries' errors, and bare socket errors."""


class NoEngineError(UsageError):
    """No container engine answers; the message lists the addresses tried and why each failed."""


def _sockets() -> list[str]:
    """Return the addresses to try, in order: only the caller's choice if there is one, else Docker's, then Podman's."""
    if chosen := os.environ.get("DOCKER_HOST"):
        return [chosen]
    podman = Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")) / "podman/podman.sock"
    paths = [Path("/var/run/docker.sock"), podman, Path("/run/podman/podman.sock")]
    return [f"unix://{path}" for path in paths if path.exists()]


def connect(timeout: float = 60.0) -> docker.DockerClient:
    """Return a client of the first engine that answers.

    ``DOCKER_HOST`` is followed; the active context of Docker's command line is not, for a record must not depend on it.

    Args:
        timeout: Seconds after which a request counts as lost.

    Raises:
        NoEngineError: None answers.
    """
    sockets = _sockets()
    failures = []
    for address in sockets:
        environment = {**os.environ, "DOCKER_HOST": address}
        try:
            client = docker.from_env(use_context=False, environment=environment, timeout=int(timeout))
            client.ping()
            return client
        except LOST as error:
            failures.append(f"{address}: {explain(error)}")
    where = "; ".join(failures) or "there is no Docker or Podman socket, and DOCKER_HOST is not set"
    raise NoEngineError(f"no container engine answers ({where})")


def explain(error: BaseException) -> str:
    """Return an SDK error as one short line, in the engine's own words where there are any."""
    text = str(error)
    if isinstance(error, docker.errors.APIError) and error.explanation:
        text = str(error.explanation)
    elif "PermissionError" in text:
        text = "permission denied (is the user in the engine's group?)"
    elif "ConnectionRefusedError" in text or "FileNotFoundError" in text:
        text = "connection refused (is the engine running?)"
    return " ".join(text.split())[:300] or type(error).__name__


def is_podman(client: docker.DockerClient) -> bool:
    """Tell whether the engine behind the Docker API is Podman."""
    components = client.version().get("Components") or []
    return any("Podman" in str(component.get("Name")) for component in components)


def require_disk(client: docker.DockerClient, need: int, purpose: str) -> None:
    """Check that the engine's data folder has enough room.

    The disk of a remote engine cannot be seen from here and is not checked.

    Args:
        client: The engine.
        need: Bytes that must be free.
        purpose: What needs them, as the message says it, e.g. ``"building the image"``.

    Raises:
        UsageError: Fewer bytes are free.
    """
    folder = Path(client.info().get("DockerRootDir") or "/nonexistent")
    if not folder.exists():
        return
    free = shutil.disk_usage(folder).free
    if free < need:
        raise UsageError(
            f"{purpose} needs {need / GIB:.1f} GiB free in {folder}, which has {free / GIB:.1f} GiB: "
            "free some (docker image prune, docker builder prune) or move the engine's data folder"
        )
