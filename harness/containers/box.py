"""The settings of a run's container: what it may use, what it sees, which user it runs as."""

import math
import os
import re
import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

from harness.config import RunnerConfig
from harness.containers.engine import Engine, describe
from harness.containers.orphans import owner_labels
from harness.errors import UsageError

SOURCE = "/sparsebench"
UNPRIVILEGED = 10001
"""User and group inside when the caller is root; afterwards the files are given to the caller."""

# These decide how sums are split over threads and which kernels are used: a run needs the same inside as outside.
NUMERIC_SETTINGS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "MKL_CBWR",
    "CUBLAS_WORKSPACE_CONFIG",
)
_SIZE = re.compile(r"[1-9][0-9]*(b|k|m|g)", re.IGNORECASE)
_UNITS = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
MOST = 16384
"""Open files, and processes of one user; the limit on processes that counts is `RunnerConfig.pids`."""
LEAST_MEMORY = 16 * 1024**2


@dataclass(frozen=True)
class Box:
    """A container to be made.

    Attributes:
        name: Unique, and chosen here, so that the container can be removed whatever happens while it is made.
        image: ID of a verified image.
        command: Program and arguments.
        key: Of the run that it is for.
        limits: Memory, CPUs and the rest.
        readable: Folders and files on the host, mapped to their places inside; read-only.
        writable: Likewise; the only places that outlive the container.
        gpu: UUID of the GPU it may use.
    """

    name: str
    image: str
    command: list[str]
    key: str
    limits: RunnerConfig
    readable: dict[Path, str]
    writable: dict[Path, str] = field(default_factory=dict)
    gpu: str | None = None

    def settings(self, client: docker.DockerClient) -> dict[str, Any]:
        """Return the arguments of ``client.containers.create``.

        Raises:
            UsageError: A limit makes no sense, or the engine cannot keep it.
        """
        engine = describe(client)
        check(self.limits, engine)
        limits = _kept(self.limits, engine)
        mounts = [Mount(inside, str(here), "bind", read_only=True) for here, inside in self.readable.items()]
        mounts += [Mount(inside, str(here), "bind") for here, inside in self.writable.items()]
        gpus = [DeviceRequest(device_ids=[self.gpu], capabilities=[["gpu"]])] if self.gpu else None
        return {
            "name": self.name,
            "image": self.image,
            "command": self.command,
            "labels": owner_labels(self.key),
            "hostname": "sparsebench",
            "environment": environment(self.limits),
            "working_dir": SOURCE,
            "mounts": mounts,
            "device_requests": gpus,
            **limits,
            "shm_size": self.limits.shm,
            "ulimits": rlimits(),
            "network_mode": "none",
            "read_only": True,
            "tmpfs": {"/tmp": "size=1g,mode=1777,nosuid,nodev"},
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "init": True,
            "log_config": LogConfig(type="json-file", config={"max-size": "16m", "max-file": "1"}),
            "user": user(engine),
        }


def check(limits: RunnerConfig, engine: Engine) -> None:
    """Check the limits before the engine does, whose messages name no setting.

    Raises:
        UsageError: One of them makes no sense, or was chosen and cannot be kept; the message names it and what is
            allowed.
    """
    for name in ("memory", "shm"):
        value = getattr(limits, name)
        if not _SIZE.fullmatch(value):
            raise UsageError(f"runner.{name} {value!r} is not a size: allowed are whole numbers with m or g, e.g. 8g")
    if _bytes(limits.memory) < LEAST_MEMORY:
        raise UsageError(f"runner.memory {limits.memory!r} is too little to start a container: at least 16m")
    cores = os.cpu_count() or 1
    if limits.cpus is not None and not (math.isfinite(limits.cpus) and 0 < limits.cpus <= cores):
        raise UsageError(f"runner.cpus {limits.cpus} is not in (0, {cores}], this machine's")
    if limits.pids < 16:
        raise UsageError(f"runner.pids {limits.pids} is too few processes and threads to train with: at least 16")
    if limits.timeout is not None and not (math.isfinite(limits.timeout) and limits.timeout > 0):
        raise UsageError(f"runner.timeout {limits.timeout} is not a positive number of seconds")
    for name in engine.unkept:
        value, default = getattr(limits, name), getattr(RunnerConfig, name)
        if value != default:
            raise UsageError(
                f"runner.{name} {value!r} cannot be kept: the {'rootless ' if engine.rootless else ''}container engine "
                f"was given no cgroup controller for it (see docker/README.md); allowed is the default, {default!r}, "
                "which is then no limit"
            )


def _kept(limits: RunnerConfig, engine: Engine) -> dict[str, Any]:
    """Return the settings of the limits that the engine can keep: it may refuse a container with any other."""
    most: dict[str, dict[str, Any]] = {
        "memory": {"mem_limit": limits.memory, "memswap_limit": limits.memory},
        "cpus": {"nano_cpus": int(limits.cpus * 1e9)} if limits.cpus else {},
        "pids": {"pids_limit": limits.pids},
    }
    return {name: value for limit in most if limit not in engine.unkept for name, value in most[limit].items()}


def environment(limits: RunnerConfig) -> dict[str, str]:
    """Return the environment variables that the container gets in addition to the image's."""
    variables = {name: os.environ[name] for name in NUMERIC_SETTINGS if name in os.environ}
    if limits.cpus is not None:
        # torch counts the machine's cores, not those the container may use, and would start a thread for each.
        variables.setdefault("OMP_NUM_THREADS", str(max(1, int(limits.cpus))))
    return variables


def rlimits() -> list[Ulimit]:
    """Return limits per process: no core dumps, and no more open files and processes than this host allows.

    Podman's own defaults exceed what some hosts allow, and then no container starts.
    """
    limits = {"core": 0}
    for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        allowed = resource.getrlimit(number)[1]
        limits[name] = MOST if allowed == resource.RLIM_INFINITY else min(allowed, MOST)
    return [Ulimit(name=name, soft=most, hard=most) for name, most in limits.items()]


def user(engine: Engine) -> str:
    """Return the user and group inside that make the container's files the caller's and its processes unprivileged.

    A caller who is root gets an unprivileged user too. A rootless engine's root inside is the caller outside.
    """
    if engine.rootless:
        return "0:0"
    return f"{UNPRIVILEGED}:{UNPRIVILEGED}" if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"


def give_to_container(folder: Path) -> None:
    """Make a folder and its contents writable for the container's user."""
    if os.getuid() == 0:
        _own(folder, UNPRIVILEGED, UNPRIVILEGED)


def give_to_caller(folder: Path) -> None:
    """Make the caller the owner of what the container left."""
    if os.getuid() == 0:
        _own(folder, 0, 0)


def _own(folder: Path, uid: int, gid: int) -> None:
    # Never through a symbolic link: untrusted code made what lies in the folder.
    for parent, folders, files in os.walk(folder, followlinks=False):
        for name in [*folders, *files]:
            os.chown(os.path.join(parent, name), uid, gid, follow_symlinks=False)
    os.chown(folder, uid, gid, follow_symlinks=False)


def _bytes(size: str) -> int:
    return int(size[:-1]) * _UNITS[size[-1].lower()]
