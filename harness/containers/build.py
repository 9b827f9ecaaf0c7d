"""Building the pinned image: base, wheels, build, label."""

import os
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import IO, Any

import docker
import docker.errors

from harness.containers.content import (
    LOCAL,
    PIN_FILE,
    SUITE,
    ImageError,
    ImageFiles,
    VerifiedImage,
    image_files,
    tag,
)
from harness.containers.engine import GIB, LABEL, LOST, connect, explain, require_disk
from harness.containers.image import BASE_LABEL, CONTENT_LABEL, contents, verify
from harness.containers.wheels import download
from harness.errors import unknown

Report = Callable[[str], None]
BASES = ("auto", "pinned", "local")

SUITE_DISK = 22 * GIB
"""Room for a build of the suite's image: wheels twice (archive and layer), the environment twice (builder, image)."""
METHOD_DISK = 4 * GIB
LOCAL_BASE = "sparsebench-base:local"
REQUEST_SECONDS = 900.0
"""A busy engine takes minutes to remove the gigabytes of a build's first stage."""
SCRIPT_LABEL = f"{LABEL}.base-script"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def make(
    image: str | None, report: Report, *, pin: bool = False, base: str = "auto", force: bool = False
) -> VerifiedImage:
    """Do what ``sparsebench image`` does: pin if requested, then build what is missing.

    Args:
        image: Folder of a method's own image; None for the suite's.
        report: Takes a line of progress at a time.
        pin: First write ``images.lock`` for the present Dockerfile and locks.
        base: See `build`.
        force: See `build`.

    Raises:
        UsageError: No engine, no base, too little disk, a failed build, or pins that are out of date.
    """
    if base not in BASES:
        raise unknown("base", base, BASES)
    files = image_files(image)
    if pin:
        pins = files.pin()
        report(f"{files.name}/{PIN_FILE} pins content {pins.content[:12]}")
    client = connect(REQUEST_SECONDS)
    made = build(client, files, report, base, force)
    report(f"image {tag(made.content)} is {made.id}, base {made.base}")
    if older := contents(client) - {made.content, ImageFiles(SUITE).content()}:
        # Not removed: another checkout may use them.
        report(
            f"the engine also has images of other files (docker rmi removes them): {' '.join(map(tag, sorted(older)))}"
        )
    return made


def build(
    client: docker.DockerClient,
    files: ImageFiles,
    report: Report,
    base: str = "auto",
    force: bool = False,
) -> VerifiedImage:
    """Return the engine's image of these files, building it if it is missing.

    Args:
        client: The engine.
        files: The image's folder.
        report: Takes a line of progress at a time.
        base: ``pinned`` pulls the base by its digest, ``local`` makes one on this machine, ``auto`` tries the first
            and falls back to the second. The image's label says which it was.
        force: Build even if the image exists.

    Raises:
        ImageError: ``images.lock`` is out of date, the build failed, or there is no base.
        UsageError: Too little free disk.
    """
    pins = files.current_pins()
    if not force:
        try:
            return verify(client, files)
        except ImageError as missing:
            report(str(missing).partition(": run")[0] + ": building it")
    if pins.published and base != "local" and _pull(client, pins.published, report):
        client.images.get(pins.published).tag(tag(pins.content))
        return verify(client, files)
    require_disk(client, SUITE_DISK if files.is_suite else METHOD_DISK, f"building the image of {files.name}")
    if files.is_suite:
        start, origin = _base(client, pins.base, base, report)
        argument = {"BASE": start}
    else:
        parent = build(client, ImageFiles(SUITE), report, base)
        origin, argument = parent.base, {"SPARSEBENCH": parent.id}
    wheels = download(files, report)
    # With the packages at hand, or none to fetch, a build gets no network: it cannot fetch what no lock names.
    offline = bool(wheels) or not files.locks
    if not offline:
        argument |= {name: os.environ[name] for name in PROXIES if name in os.environ}
    labels = {CONTENT_LABEL: pins.content, BASE_LABEL: origin}
    _build(client, files, _Inputs(wheels, argument, labels, "none" if offline else None), report)
    client.images.prune(filters={"dangling": True, "label": f"{LABEL}.stage=builder"})
    return verify(client, files)


def _pull(client: docker.DockerClient, reference: str, report: Report) -> bool:
    """Pull an image by digest; report the reason and return False if it cannot be pulled."""
    try:
        client.images.get(reference)
        return True
    except docker.errors.ImageNotFound:
        pass
    report(f"pulling {reference}")
    try:
        client.images.pull(reference)
    except LOST as error:
        report(f"cannot pull it: {explain(error)}")
        return False
    return True


def _base(client: docker.DockerClient, pinned: str, choice: str, report: Report) -> tuple[str, str]:
    """Return what the Dockerfile starts from, and what the label says of it."""
    if choice != "local" and _pull(client, pinned, report):
        return pinned, pinned
    if choice == "pinned":
        raise ImageError(f"the pinned base {pinned} cannot be pulled: allow one made here with `--base local`")
    script = SUITE / "make-base"
    with script.open("rb") as stream:
        version = file_digest(stream, "sha256").hexdigest()
    # By name, since every image built on the base inherits its label.
    made = [image for image in client.images.list(LOCAL_BASE) if image.labels.get(SCRIPT_LABEL) == version]
    if not made:
        report("making a base on this machine with debootstrap; records will say so")
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "base.tar"
            result = subprocess.run([script, archive], capture_output=True, text=True, check=False)
            if result.returncode:
                reason = " ".join(result.stderr.split())[-500:]
                raise ImageError(f"no base image: the pinned one cannot be pulled and none can be made here ({reason})")
            repository, _, name = LOCAL_BASE.partition(":")
            changes = [f"LABEL {SCRIPT_LABEL}={version}"]
            client.api.import_image(src=str(archive), repository=repository, tag=name, changes=changes)
        made = [client.images.get(LOCAL_BASE)]
    identity = str(made[0].id)
    return identity, LOCAL + identity


@dataclass(frozen=True)
class _Inputs:
    """What goes into a build besides the folder's files."""

    wheels: list[Path]
    arguments: dict[str, str]
    labels: dict[str, str]
    network: str | None


def _build(client: docker.DockerClient, files: ImageFiles, inputs: _Inputs, report: Report) -> None:
    """Run the build and report its steps; raise ImageError with the last lines if it fails."""
    read, write = os.pipe()
    sender = threading.Thread(target=_send_context, args=(os.fdopen(write, "wb"), files, inputs.wheels), daemon=True)
    sender.start()
    last: list[str] = []
    with os.fdopen(read, "rb") as context:
        for line in _steps(client, context, inputs):
            last = [*last[-9:], line]
            if line.lower().startswith("step "):
                report(line)
            if line.startswith("error: "):
                raise ImageError(f"the build of {files.name} failed: {' | '.join(last)}")
    sender.join()


def _steps(client: docker.DockerClient, context: IO[bytes], inputs: _Inputs) -> Iterator[str]:
    """Yield the lines of a build; one that starts with ``error: `` ends it."""
    try:
        messages: Iterator[dict[str, Any]] = client.api.build(
            fileobj=context,
            custom_context=True,
            tag=tag(inputs.labels[CONTENT_LABEL]),
            buildargs=inputs.arguments,
            labels=inputs.labels,
            network_mode=inputs.network,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=3600,
        )
        for message in messages:
            if "error" in message:
                yield f"error: {message['error'].strip()}"
            yield from (line for line in str(message.get("stream", "")).splitlines() if line.strip())
    except LOST as error:
        yield f"error: {explain(error)}"


def _send_context(pipe: IO[bytes], files: ImageFiles, wheels: list[Path]) -> None:
    """Write the build context as a tar archive; it is streamed because with the wheels it takes 3 GB.

    Only what the content hash covers goes in, and wheels whose hash is in a lock, so nothing else gets into the image.
    """
    try:
        with pipe, tarfile.open(fileobj=pipe, mode="w|", bufsize=1 << 20) as archive:
            for path in [files.dockerfile, *files.locks]:
                archive.add(path, arcname=path.name)
            folder = tarfile.TarInfo("wheels")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
            for path in wheels:
                archive.add(path, arcname=f"wheels/{path.name}")
    except BrokenPipeError:
        # The engine closed the connection; the reading side reports why.
        pass
