"""The container engine: finding one that answers, and what it reports about itself."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
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


def _sockets() -> list[Path]:
    """Return where engines put their sockets: Docker's and Podman's of the machine, then those of this user."""
    own = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    docker_socket, podman_socket = "docker.sock", "podman/podman.sock"
    return [Path("/var/run", docker_socket), own / docker_socket, own / podman_socket, Path("/run", podman_socket)]


def connect(timeout: float = 60.0) -> docker.DockerClient:
    """Return a client of the first engine that answers.

    ``DOCKER_HOST`` alone is tried if it is set, else the sockets of Docker and Podman. The active context of Docker's
    command line is not followed, for a record must not depend on it.

    Args:
        timeout: Seconds after which a request counts as lost.

    Raises:
        NoEngineError: None answers.
    """
    chosen = os.environ.get("DOCKER_HOST")
    # In Python before 3.14 `Path.exists` raises where a folder is closed to this user.
    there = [] if chosen else [path for path in _sockets() if os.path.exists(path)]
    failures = []
    for address in [chosen] if chosen else [f"unix://{path}" for path in there]:
        environment = {**os.environ, "DOCKER_HOST": address}
        try:
            client = docker.from_env(use_context=False, environment=environment, timeout=int(timeout))
            client.ping()
            return client
        except LOST as error:
            failures.append(f"{address}: {explain(error)}")
    if not chosen:
        absent = ", ".join(str(path) for path in _sockets() if path not in there)
        failures += [f"no socket at {absent}"] if absent else []
        failures.append("DOCKER_HOST is not set")
    raise NoEngineError(f"no container engine answers ({'; '.join(failures)})")


@contextmanager
def answering() -> Iterator[None]:
    """Refuse in one line what an engine does not answer, so that ``runner=auto`` goes on without it.

    Raises:
        UsageError: The engine refuses a request or is gone, after it has answered the one of `connect`.
    """
    try:
        yield
    except LOST as error:
        raise UsageError(f"the engine does not describe itself or its images: {explain(error)}") from None


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


CONTROLLERS = {"memory": ("memory", "MemoryLimit"), "cpus": ("cpu", "CpuCfsQuota"), "pids": ("pids", "PidsLimit")}
"""Limits of `RunnerConfig`, the controller of cgroups that keeps each, and what ``docker info`` calls it."""


@dataclass(frozen=True)
class Engine:
    """What an engine says of itself.

    Attributes:
        podman: Whether it is Podman behind Docker's API.
        rootless: Whether it runs as an ordinary user, who is root in its containers.
        unkept: Limits of `RunnerConfig` that it cannot keep, since it was given no cgroup controller for them.
    """

    podman: bool
    rootless: bool
    unkept: tuple[str, ...]


@lru_cache
def describe(client: docker.DockerClient) -> Engine:
    """Return what an engine says of itself; it is asked once."""
    components = client.version().get("Components") or []
    if any("Podman" in str(component.get("Name")) for component in components):
        # By Docker's API, Podman tells the machine's controllers, not those of its user, and not that it is rootless.
        answer = client.api.get(f"{client.api.base_url}/v4.0.0/libpod/info", timeout=client.api.timeout)
        answer.raise_for_status()
        host = answer.json()["host"]
        rootless = bool(host["security"]["rootless"])
        given = host.get("cgroupControllers") or []
        unkept = [limit for limit, (controller, _) in CONTROLLERS.items() if rootless and controller not in given]
        return Engine(True, rootless, tuple(unkept))
    info = client.info()
    rootless = any("rootless" in str(option) for option in info.get("SecurityOptions") or [])
    return Engine(False, rootless, tuple(limit for limit, (_, name) in CONTROLLERS.items() if not info.get(name)))


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
