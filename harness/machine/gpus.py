"""NVIDIA GPUs by UUID, and one lock per GPU: a run has it alone, or with others that are marked as sharing it."""

import fcntl
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pynvml

from harness.errors import UsageError

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine.

    Attributes:
        uuid: ``GPU-...``, the same whatever order the driver lists them in.
        name: Its product name.
        driver: Version of the NVIDIA driver.
    """

    uuid: str
    name: str
    driver: str


def installed() -> list[Gpu]:
    """Return the GPUs of this machine that this process may use; none where there is no NVIDIA driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        found = (_installed(index, driver) for index in range(pynvml.nvmlDeviceGetCount()))
        return [gpu for gpu in found if gpu is not None]
    finally:
        pynvml.nvmlShutdown()


def _installed(index: int, driver: str) -> Gpu | None:
    """Return a GPU by NVML's number; None where it fell off the bus, or a cluster keeps it for other jobs.

    NVML counts those too; CUDA does not, so they must take no number from the others.
    """
    with suppress(pynvml.NVMLError):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        return Gpu(str(pynvml.nvmlDeviceGetUUID(handle)), str(pynvml.nvmlDeviceGetName(handle)), driver)
    return None


def candidates(uuid: str | None, gpus: list[Gpu]) -> list[Gpu]:
    """Return the GPUs that a run may have: the requested one, or any.

    Raises:
        UsageError: There is none, or not that one.
    """
    if not gpus:
        raise UsageError("device=cuda is requested and there is no NVIDIA GPU or driver here: device=cpu uses the CPU")
    chosen = [gpu for gpu in gpus if uuid in (None, gpu.uuid)]
    if not chosen:
        raise UsageError(f"runner.gpu {uuid!r} is not here: allowed are {', '.join(gpu.uuid for gpu in gpus)}")
    return chosen


def visible(gpus: list[Gpu]) -> list[Gpu]:
    """Leave out the GPUs that ``CUDA_VISIBLE_DEVICES`` hides from this process and its children.

    It holds UUIDs, which may be abbreviated, or numbers, which count in NVML's order. As in CUDA, the first entry that
    names no GPU ends the list. A slice of a GPU (``MIG-...``) counts as a GPU of its own.
    """
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return gpus
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in wanted.split(",")):
        if entry.isdecimal():
            found = gpus[int(entry) : int(entry) + 1]
        elif entry.startswith("MIG-"):
            found = [replace(gpu, uuid=entry) for gpu in gpus[:1]]
        else:
            found = [gpu for gpu in gpus if entry and gpu.uuid.startswith(entry)]
        if len(found) != 1:
            break
        chosen += found
    return chosen


@contextmanager
def hold(
    device: str, uuid: str | None, on_event: Callable[[dict[str, Any]], None], *, shared: bool = False
) -> Iterator[Gpu | None]:
    """Hold a GPU for a run on CUDA; None for one on the CPU.

    Args:
        device: Of the run, ``cpu`` or ``cuda``.
        uuid: Of the requested GPU; None for any that this process sees.
        on_event: Told once, in a line, that the run waits, and then called about every second; what it raises ends
            the wait.
        shared: Whether other runs that share it may have the GPU too; a run that does not waits for all of them.

    Raises:
        UsageError: There is no GPU, or not that one, or one is requested for a run on the CPU.
    """
    if device != "cuda":
        if uuid is not None:
            raise UsageError(f"runner.gpu {uuid!r} and device={device} contradict each other: drop one")
        yield None
        return
    chosen = candidates(uuid, visible(installed()))
    with reserve(chosen, _waiting("a GPU", chosen, on_event), shared=shared) as gpu:
        yield gpu


@contextmanager
def hold_several(count: int, on_event: Callable[[dict[str, Any]], None]) -> Iterator[list[Gpu]]:
    """Hold several GPUs for a run on CUDA, alone; as long as it cannot have all of them it has none.

    Args:
        count: How many.
        on_event: See `hold`.

    Raises:
        UsageError: There are fewer.
    """
    chosen = candidates(None, visible(installed()))
    if len(chosen) < count:
        raise UsageError(f"nproc={count} takes {count} GPUs, and this process sees {len(chosen)}")
    waiting = _waiting(f"{count} GPUs", chosen, on_event)
    while True:
        with ExitStack() as after:
            held: list[Gpu] = []
            for gpu in chosen:
                with suppress(_TakenError):
                    held.append(after.enter_context(reserve([gpu], _give_up)))
                if len(held) == count:
                    yield held
                    return
        waiting()
        time.sleep(POLL_SECONDS * random.uniform(0.5, 1.5))  # not in step with another run that needs several


class _TakenError(Exception):
    """Another run holds a GPU."""


def _give_up() -> None:
    raise _TakenError


def _waiting(what: str, gpus: list[Gpu], on_event: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    """Return what tells once that a run waits."""
    held = ", ".join(gpu.uuid for gpu in gpus)
    said: list[dict[str, Any]] = []

    def waiting() -> None:
        # Later ones are empty, but an event is how a run is told to stop.
        first = {"event": "log", "text": f"waiting for {what}: other runs hold {held}"}
        said.append({"event": "waiting"} if said else first)
        on_event(said[-1])

    return waiting


@contextmanager
def reserve(
    gpus: list[Gpu], waiting: Callable[[], None], folder: Path | None = None, *, shared: bool = False
) -> Iterator[Gpu]:
    """Hold the first of these GPUs that no other run holds; wait while all are held.

    The lock belongs to the open file, so the kernel releases it when the process ends, however it ends.

    Args:
        gpus: At least one.
        waiting: Called about every second of a wait; what it raises ends the wait.
        folder: Where the lock files lie; one that all users of the machine share.
        shared: Whether to hold it together with others that share it, if none is free.
    """
    folder = folder or Path(tempfile.gettempdir())
    while True:
        tries = [(gpu, fcntl.LOCK_EX) for gpu in gpus]
        if shared:  # at random, so that they spread
            tries += [(gpu, fcntl.LOCK_SH) for gpu in random.sample(gpus, len(gpus))]
        for gpu, kind in tries:
            handle = _open(folder / f"sparsebench-{gpu.uuid}.lock")
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                if shared:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            try:
                yield gpu
            finally:
                os.close(handle)
            return
        waiting()
        time.sleep(POLL_SECONDS)


def _open(path: Path) -> int:
    """Open a lock file, making it if needed, and never through a link that somebody put there."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Without O_CREAT first: in a shared folder the kernel refuses it on another user's file.
        return os.open(path, flags)
    except FileNotFoundError:
        handle = os.open(path, flags | os.O_CREAT, 0o666)
        # The umask may have taken the right to lock from other users.
        os.fchmod(handle, 0o666)
        return handle
