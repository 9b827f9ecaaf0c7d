"""The container runner: a run in a verified image, and a record that is believed only as far as it was checked."""

import json
import os
import platform
import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import docker
import docker.errors

from harness.audit.claims import (
    DESCRIBED,
    UntrustedFileError,
    claim_problems,
    identity_problems,
    open_plain,
    read_record,
)
from harness.audit.referee import MARK
from harness.config.compose import RunnerConfig
from harness.containers import box as container
from harness.containers.box import SOURCE, Box
from harness.containers.engine import connect
from harness.containers.image import ROOT, SUITE, ImageFiles, VerifiedImage, image_files, verify
from harness.containers.output import Output
from harness.containers.supervise import LARGEST_FOLDER, End, Ending, supervise
from harness.machine import gpus
from harness.records import record
from harness.records.record import Record
from harness.runners.base import Outcome
from harness.tasks.vision import data

WORKER = ("python", "-m", "harness.training.worker")
REFEREE = ("python", "-m", "harness.audit.referee")
#: Where in a run's folder the container writes.
WORKPLACE = "inside"
PARTS = ("methods", "harness", "benchmarks")
"""What of the project a container sees, read-only: neither its history nor other runs' results."""
REQUEST, LEFT, DATA = "/request.json", "/left", "/data"
LARGEST_CHECKPOINT = LARGEST_FOLDER
REFEREE_SECONDS = 3600.0
STOPPED = (130, 137, 143)
"""Exit statuses of a program that got SIGINT, SIGKILL or SIGTERM."""

OnEvent = Callable[[dict[str, Any]], None]


class DockerRunner:
    """Runs requests in containers of one image.

    Attributes:
        client: The engine.
        image: The image of the runs, verified.
    """

    def __init__(self, client: docker.DockerClient, image: str | None = None, command: Sequence[str] = WORKER) -> None:
        """Verify the image.

        Args:
            client: The engine.
            image: Folder of a method's own image; None for the suite's.
            command: Program that takes the request and the folder.

        Raises:
            harness.containers.image.ImageError: There is no image that may be run.
        """
        self.client = client
        self._command = list(command)
        self.image = verify(client, image_files(image))
        # The referee must not run in an image that a method's author put together.
        self._suite: VerifiedImage = verify(client, ImageFiles(SUITE))

    def run(self, request: Path, folder: Path, settings: RunnerConfig, on_event: OnEvent, log: Path) -> Outcome:
        """Run a request to its end; the same shape as `harness.runners.local.run`.

        The container writes into ``FOLDER/inside`` alone. What it leaves there is checked, and only a record that holds
        is put where the harness looks for it, ``FOLDER/record.json``.

        Args:
            request: What `harness.training.worker` reads.
            folder: The run's working folder.
            settings: Limits.
            on_event: Takes the run's events.
            log: Receives what it prints.

        Returns:
            How it ended: ``invalid`` if the record does not hold, ``interrupted`` after Ctrl-C.

        Raises:
            UsageError: The settings cannot be met: a limit out of range, or no GPU where CUDA was asked for.
        """
        asked = json.loads(request.read_text())
        config = asked["config"]
        container.check(settings)
        inside = folder / WORKPLACE
        inside.mkdir(mode=0o700, exist_ok=True)
        inside.chmod(0o700)  # also where a chain has put a checkpoint already
        resumed = (inside / "checkpoint.pt").exists()
        for stale in ("record.json", "final.pt"):
            (inside / stale).unlink(missing_ok=True)
        container.give_to_container(inside)
        told, mounts = self._tell(asked, folder)
        facts = {"image_id": self.image.id, "base_digest": self.image.base_digest}
        try:
            with gpus.hold(config["device"], settings.gpu, on_event, shared=config["packed"] > 1) as gpu:
                box = Box(
                    name=_name(asked["key"]),
                    image=self.image.id,
                    command=[*self._command, REQUEST, LEFT],
                    key=asked["key"],
                    limits=settings,
                    readable=mounts,
                    writable={inside: LEFT},
                    gpu=gpu.uuid if gpu else None,
                )
                try:
                    with Output(on_event, log) as output:
                        ending = supervise(self.client, box, output, settings.timeout)
                finally:
                    container.give_to_caller(inside)
                status, reason = _judge(ending, output.last, settings)
                left = _left(inside, told)
                if not isinstance(left, str):
                    left["provenance"]["resumed"] = resumed
                if status is None and not isinstance(left, str) and left["status"] == "done":
                    status, reason = self._check(left, asked, box, ending)
        except KeyboardInterrupt:
            return Outcome("interrupted", "interrupted; run it again", facts)
        if isinstance(left, str):
            return Outcome(status or "failed", reason or left, facts)
        if status != "invalid":
            if status is not None or left["status"] != "done":
                # No score is published that the referee has not measured.
                left["metrics"].update(test_accuracy=None, test_top5=None, test_loss=None)
            self._publish(left, asked, gpu, folder)
        return Outcome(status, reason, facts)

    def _tell(self, asked: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[Path, str]]:
        """Return the request as the inside gets it, where data lie elsewhere, and the read-only mounts."""
        told = json.loads(json.dumps(asked))
        mounts = {ROOT / part: f"{SOURCE}/{part}" for part in PARTS}
        place = data.directory(asked["config"]["dataset"])
        told["config"]["dataset"].update(root=DATA if place else None, download=False)
        if place:
            mounts[place.resolve()] = DATA
        path = folder / "request-inside.json"
        record.write_atomic(path, json.dumps(told, indent=1))
        path.chmod(0o644)
        mounts[path] = REQUEST
        return told, mounts

    def _check(self, claimed: Record, asked: dict[str, Any], box: Box, ending: Ending) -> tuple[str | None, str | None]:
        """Have a finished run's claims checked; returns the status and reason to report instead of the record's."""
        weights = next(iter(box.writable)) / "final.pt"
        try:
            open_plain(weights, LARGEST_CHECKPOINT).close()
        except UntrustedFileError as error:
            return "invalid", f"the outside refuses the record: {error}"
        found = self._referee(box, weights)
        if isinstance(found, str):
            return "failed", found
        tests = data.info(asked["config"]["dataset"]).test_samples
        problems = claim_problems(claimed, found, tests, ending.seconds)
        if problems:
            return "invalid", f"the outside refuses the record: {'; '.join(problems[:3])}"
        return None, None

    def _referee(self, box: Box, weights: Path) -> dict[str, Any] | str:
        """Return the referee's findings, or why there are none."""
        lines: list[str] = []
        readable = {**box.readable, weights: "/final.pt"}
        second = Box(
            name=_name(box.key),
            image=self._suite.id,
            command=[*REFEREE, REQUEST, "/final.pt"],
            key=box.key,
            limits=box.limits,
            readable=readable,
            gpu=box.gpu,
        )
        with Output(lambda event: lines.append(str(event.get("text"))), Path(os.devnull)) as output:
            ending = supervise(self.client, second, output, REFEREE_SECONDS)
        if ending.end is End.INTERRUPTED:
            raise KeyboardInterrupt
        for line in lines:
            if line.startswith(MARK):
                found: dict[str, Any] = json.loads(line.removeprefix(MARK))
                return found
        _, reason = _judge(ending, output.last, box.limits)
        return f"the result could not be checked: {reason or output.last or 'the referee said nothing'}"

    def _publish(self, left: Record, asked: dict[str, Any], gpu: gpus.Gpu | None, folder: Path) -> None:
        """Write the record that counts: what was checked from inside, what the outside knows from outside."""
        described = {name: left["config"][name] for name in DESCRIBED if name in left["config"]}
        left["config"] = {**asked["config"], **described}
        left["provenance"].update(asked["provenance"])
        # The inside has a host name of its own and must not be asked which GPU it had.
        left["provenance"]["hostname_hash"] = sha256(platform.node().encode()).hexdigest()[:12]
        left["provenance"]["gpu"] = {"name": gpu.name, "driver": gpu.driver, "count": 1} if gpu else None
        record.write(left, folder / "record.json")


def _left(inside: Path, told: dict[str, Any]) -> Record | str:
    """Return the record that the inside left, or why it cannot be used."""
    try:
        left = read_record(inside / "record.json")
    except UntrustedFileError as error:
        return f"the run left no valid record: {error}"
    problems = identity_problems(left, told)
    return f"the run left a record of another run: {'; '.join(problems[:3])}" if problems else left


def _judge(ending: Ending, last: str, settings: RunnerConfig) -> tuple[str | None, str | None]:
    """Return the status and reason of a run whose container ended so; None where its record may speak."""
    if ending.end is not End.EXITED:
        return {
            End.INTERRUPTED: ("interrupted", "interrupted; run it again to go on from its checkpoint"),
            End.TIMEOUT: ("timeout", f"over its {settings.timeout or REFEREE_SECONDS:g} seconds"),
            End.OVERFULL: ("failed", f"over {LARGEST_FOLDER // 1024**3} GiB in its folder"),
            End.NOT_STARTED: ("failed", f"the container could not be started: {ending.detail}"),
            End.ENGINE_LOST: ("failed", f"the container engine went away during the run: {ending.detail}"),
        }[ending.end]
    if ending.exit_code == 0:
        return None, None
    if ending.out_of_memory:
        return "out_of_memory", f"killed by the kernel: over its memory limit of {settings.memory}"
    if ending.exit_code in STOPPED:
        return "failed", f"stopped from outside the harness (exit status {ending.exit_code}): was the engine shut down?"
    return "failed", f"exit status {ending.exit_code}: {ending.detail or last or 'nothing was printed'}"


def _name(key: str) -> str:
    return f"sparsebench-{key}-{secrets.token_hex(4)}"


def available(image: str | None = None) -> DockerRunner:
    """Return a runner on the engine that answers.

    Raises:
        UsageError: No engine answers, or it has no image that may be run.
    """
    return DockerRunner(connect(), image)
