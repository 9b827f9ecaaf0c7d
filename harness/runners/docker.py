"""The container runner: trains in a verified image, and believes of the record only what has been checked."""

import json
import os
import platform
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import docker
import docker.errors

from harness.audit.claims import (
    DESCRIBED,
    MARK,
    UntrustedFileError,
    claim_problems,
    identity_problems,
    open_plain,
    read_record,
)
from harness.config import RunnerConfig
from harness.containers import box as boxes
from harness.containers import orphans
from harness.containers.box import Box
from harness.containers.content import SUITE, ImageFiles, VerifiedImage, image_files
from harness.containers.engine import answering, connect, describe
from harness.containers.image import verify
from harness.containers.output import Output
from harness.containers.supervise import GRACE_SECONDS, LARGEST_FOLDER, supervise
from harness.errors import UsageError
from harness.machine import gpus
from harness.machine.gpus import Gpu
from harness.machine.leases import LostError
from harness.records import Record
from harness.records.ending import Ending, RefusedError
from harness.records.store import write
from harness.runners import inside
from harness.runners.base import OnEvent
from harness.tasks import data
from harness.training.checkpoint import BEFORE, CHECKPOINT
from harness.training.network import FINAL as NETWORK

WORKER = ("python", "-m", "harness.training.worker")
REFEREE = ("python", "-m", "harness.audit.referee")
LARGEST_NETWORK = LARGEST_FOLDER
"""Bytes of the largest network (`harness.training.network`) that a finished run may leave."""
CHECKPOINTS = (CHECKPOINT, BEFORE)
REFEREE_SECONDS = 3600.0
LARGEST_FINDINGS = 64 * 2**20


class DockerRunner:
    """Runs requests in containers of one image; see `harness.runners.base.Runner`.

    Attributes:
        client: The engine.
        image: The image of the runs, verified.
    """

    name = "docker"
    workplace = "inside"

    def __init__(self, client: docker.DockerClient, image: str | None = None, command: Sequence[str] = WORKER) -> None:
        """Verify the image.

        Args:
            client: The engine.
            image: Folder of a method's own image; None for the suite's.
            command: Program that takes the request and the folder.

        Raises:
            UsageError: There is no image that may be run, root asks another user's rootless engine, or none answers.
        """
        self.client = client
        self._command = list(command)
        with answering():
            self._engine = describe(client)
            if self._engine.rootless and os.getuid() == 0:
                raise UsageError("the engine is rootless, so its user cannot read what root hands it: run as that user")
            self.image = verify(client, image_files(image))
            # The referee must not run in an image that a method's author put together.
            self._suite: VerifiedImage = verify(client, ImageFiles(SUITE))

    def run(self, request: Path, folder: Path, limits: RunnerConfig, on_event: OnEvent, log: Path) -> Ending:
        """Train a request in a container; see `harness.runners.base.Runner.run`.

        The container writes into ``FOLDER/inside`` alone. What it leaves there is checked, and only a record that
        passes is put where the harness looks for it, ``FOLDER/record.json``.
        """
        config = (requested := json.loads(request.read_text()))["config"]
        boxes.check(limits, self._engine)
        if unlimited := [name for name in self._engine.unkept if getattr(limits, name) is not None]:
            on_event({"event": "log", "text": f"this engine cannot limit {' or '.join(unlimited)}; the record says so"})
        orphans.stop(self.client, requested["key"], int(GRACE_SECONDS))
        workplace = _workplace(folder / self.workplace)
        resumable = any((workplace / name).exists() for name in CHECKPOINTS)
        told, mounts = inside.prepare(requested, folder)
        try:
            with gpus.hold(config["device"], limits.gpu, on_event, shared=config["packed"] > 1) as gpu:
                box = Box(
                    name=_name(requested["key"]),
                    image=self.image.id,
                    command=[*self._command, inside.REQUEST, inside.LEFT],
                    key=requested["key"],
                    limits=limits,
                    readable=mounts,
                    writable={workplace: inside.LEFT},
                    gpu=gpu.uuid if gpu else None,
                )
                ending = self._train(box, workplace, on_event, log)
                left = _left(workplace, told, ending)
                left["provenance"]["resumed"] = resumable and left["provenance"]["resumed"]
                if ending.status is None and left["status"] == "done":
                    self._check(left, requested, box, workplace, ending)
        except KeyboardInterrupt:
            raise RefusedError("interrupted", "interrupted; run it again") from None
        if ending.status is not None or left["status"] != "done":
            # No score is published that the referee has not measured.
            left["metrics"].pop("test_more", None)
            left["metrics"] |= {name: None for name in left["metrics"] if name.startswith("test_")}
            left.pop("reliability", None)
        _publish(left, requested, gpu, unlimited, folder)
        return ending

    def _train(self, box: Box, workplace: Path, on_event: OnEvent, log: Path) -> Ending:
        boxes.give_to_container(workplace)
        with ExitStack() as after:
            after.callback(boxes.give_to_caller, workplace)
            try:
                with Output(on_event, log) as output:
                    return supervise(self.client, box, output, box.limits.timeout)
            except LostError:  # another owner's container may be writing there by now
                after.pop_all()
                raise

    def _check(self, claimed: Record, requested: dict[str, Any], box: Box, workplace: Path, ending: Ending) -> None:
        """Check what a finished run claims.

        Raises:
            RefusedError: ``invalid`` if a claim does not hold, ``failed`` if it could not be checked.
        """
        weights = workplace / NETWORK
        if not os.path.lexists(weights):  # its disk was full, or its folder is gone
            raise RefusedError("failed", f"the run left no network: {ending.reason or 'its log says why'}")
        try:
            with open_plain(weights, LARGEST_NETWORK) as file:
                os.fchmod(file.fileno(), 0o644)  # the referee is another user than the run's
        except UntrustedFileError as error:
            raise RefusedError("invalid", f"the outside refuses the record: {error}") from None
        tests = data.info(requested["config"]["dataset"]).test_samples
        problems = claim_problems(claimed, self._referee(box, weights), tests, ending.seconds)
        if problems:
            raise RefusedError("invalid", f"the outside refuses the record: {'; '.join(problems[:3])}")

    def _referee(self, box: Box, weights: Path) -> dict[str, Any]:
        """Return the referee's findings.

        Raises:
            RefusedError: There are none; the message says why.
        """
        lines: list[dict[str, Any]] = []
        second = replace(
            box,
            name=_name(box.key),
            image=self._suite.id,
            command=[*REFEREE, inside.REQUEST, f"/{NETWORK}"],
            readable={**box.readable, weights: f"/{NETWORK}"},
            writable={},
        )
        # Whole lines: the findings are one, and longer than a display needs with many layers or test samples.
        with Output(lines.append, Path(os.devnull), LARGEST_FINDINGS, whole=True) as output:
            ending = supervise(self.client, second, output, REFEREE_SECONDS)
        if ending.status == "interrupted":
            raise KeyboardInterrupt
        for line in (str(event.get("text")) for event in lines):
            if line.startswith(MARK):
                try:
                    found: dict[str, Any] = json.loads(line.removeprefix(MARK))
                except ValueError as error:
                    raise RefusedError("failed", f"the result could not be checked: the referee's {error}") from None
                return found
        why = ending.reason or output.last or "the referee said nothing"
        raise RefusedError("failed", f"the result could not be checked: {why}")


def available(image: str | None = None) -> DockerRunner:
    """Return a runner on the engine that answers.

    Args:
        image: Folder of a method's own image; None for the suite's.

    Raises:
        UsageError: No engine answers, or it has no image that may be run.
    """
    return DockerRunner(connect(), image)


def _workplace(folder: Path) -> Path:
    """Make the folder that the container writes into, without what an earlier try left of its result.

    Raises:
        UsageError: It is a link.
    """
    if folder.is_symlink():
        raise UsageError(f"{folder}: is a link to {os.readlink(folder)}; a run is trained in a folder of its own")
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)  # also where a chain has already put a checkpoint
    for stale in ("record.json", NETWORK):
        (folder / stale).unlink(missing_ok=True)
    return folder


def _left(workplace: Path, told: dict[str, Any], ending: Ending) -> Record:
    """Return the record that a run left.

    Raises:
        RefusedError: There is none of this run; the status is that of the ending if it has one.
    """
    try:
        left = read_record(workplace / "record.json")
    except UntrustedFileError as error:
        problem = f"the run left no valid record: {error}"
    else:
        problems = identity_problems(left, told)
        if not problems:
            return left
        problem = f"the run left a record of another run: {'; '.join(problems[:3])}"
    raise RefusedError(ending.status or "failed", ending.reason or problem)


def _publish(left: Record, requested: dict[str, Any], gpu: Gpu | None, unlimited: list[str], folder: Path) -> None:
    """Write the record that counts: what was checked from inside, what the outside knows from outside."""
    described = {name: left["config"][name] for name in DESCRIBED if name in left["config"]}
    left["config"] = {**requested["config"], **described}
    left["provenance"].update(requested["provenance"])
    # The inside has a host name of its own and cannot be trusted to say which GPU it had.
    left["provenance"]["hostname_hash"] = sha256(platform.node().encode()).hexdigest()[:12]
    left["provenance"]["gpu"] = {"name": gpu.name, "driver": gpu.driver, "count": 1} if gpu else None
    left["provenance"].pop("unlimited", None)
    left["provenance"].update({"unlimited": unlimited} if unlimited else {})
    write(left, folder / "record.json")


def _name(key: str) -> str:
    return f"sparsebench-{key}-{secrets.token_hex(4)}"
