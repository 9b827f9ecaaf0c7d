"""Orphans: which process a container belongs to, and removing containers whose process is gone.

A harness that is killed cannot remove its container. Each container is labelled with the process that made it, which
tells an orphan from the container of a running harness and from other people's.
"""

import hashlib
import os
from contextlib import suppress
from functools import cache

import docker
import docker.errors
from docker.models.containers import Container

from harness.containers.engine import LABEL, LOST
from harness.machine.process import boot, namespace, read, started

RUN_LABEL = f"{LABEL}.run"
HOST_LABEL = f"{LABEL}.host"
PROCESS_LABEL = f"{LABEL}.process"


def owner_labels(key: str) -> dict[str, str]:
    """Return the labels of a container that this process makes for the run with this key."""
    return {RUN_LABEL: key, HOST_LABEL: host(), PROCESS_LABEL: f"{boot()}:{os.getpid()}:{started(os.getpid())}"}


def orphans(client: docker.DockerClient) -> list[Container]:
    """Return this machine's containers of runs whose process is gone, stopped ones included."""
    mine: dict[str, str | list[str] | bool] = {"label": [RUN_LABEL, f"{HOST_LABEL}={host()}"]}
    found: list[Container] = client.containers.list(all=True, filters=mine, ignore_removed=True)
    return [container for container in found if not _alive(container.labels.get(PROCESS_LABEL, ""))]


def stop(client: docker.DockerClient, key: str, grace: int) -> None:
    """Stop and remove the orphans of one run, each with ``grace`` seconds to write its checkpoint.

    They are containers of a harness that was killed, and would train on in the folder that the run resumes in.
    """
    with suppress(*LOST):  # whoever starts a container next says that the engine is gone
        for container in orphans(client):
            if container.labels.get(RUN_LABEL) == key:
                container.stop(timeout=grace)
                container.remove(force=True, v=True)


def clean(client: docker.DockerClient) -> list[str]:
    """Remove every orphan and return their names."""
    removed = []
    for container in orphans(client):
        try:
            container.remove(force=True, v=True)
        except docker.errors.NotFound:
            # Another `clean` removed it first.
            continue
        removed.append(str(container.name))
    return removed


def _alive(process: str) -> bool:
    """Tell whether the process of a label still runs; another process that got its ID does not count."""
    booted, _, rest = process.partition(":")
    pid, _, since = rest.partition(":")
    return booted == boot() and pid.isdigit() and started(int(pid)) == since


@cache
def host() -> str:
    """Return an ID of this machine and process namespace, within which process IDs have a meaning."""
    return hashlib.sha256(f"{read('/etc/machine-id')}{os.uname().nodename}{namespace()}".encode()).hexdigest()[:16]
