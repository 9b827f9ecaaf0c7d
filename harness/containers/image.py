"""The pinned image: what it is made from, and the proof that an engine's image was made from just that.

An image is described by a folder: a ``Dockerfile``, the hashed pip locks (``*.lock``) and ``images.lock``, which pins
the base and the *content*, one hash over Dockerfile and locks. Every build carries that hash as a label. `docker/`
holds the suite's image; a method that needs more has a folder of its own whose Dockerfile starts from the suite's.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import docker
import docker.errors
from docker.models.images import Image

from harness.containers.engine import LABEL
from harness.errors import UsageError
from harness.places import ROOT

SUITE = ROOT / "docker"
PIN_FILE = "images.lock"
CONTENT_LABEL = f"{LABEL}.content"
BASE_LABEL = f"{LABEL}.base"
LOCAL = "local:"
"""Prefix of the base of an image whose base was made on this machine instead of pulled by its digest."""


class ImageError(UsageError):
    """There is no image that may be run; the message says which command makes one."""


@dataclass(frozen=True)
class Pins:
    """What ``images.lock`` says.

    Attributes:
        base: Image that the Dockerfile starts from, by digest; of a method's image, the suite's content.
        content: Hash over Dockerfile and locks.
        published: Registry reference by digest of the built image, or null while none is published.
    """

    base: str
    content: str
    published: str | None = None


@dataclass(frozen=True)
class VerifiedImage:
    """An image that carries the right labels.

    Attributes:
        id: The engine's image ID, ``sha256:...``: containers are made from it and never from a tag.
        content: Hash over the Dockerfile and locks that it was made from.
        base: Reference by digest of the base, or ``local:`` and the image ID of one made on this machine.
    """

    id: str
    content: str
    base: str

    @property
    def base_digest(self) -> str:
        """The base's digest alone, as records hold it; ``local:sha256:...`` for a base made on this machine."""
        return self.base if self.base.startswith(LOCAL) else self.base.rpartition("@")[2]


@dataclass(frozen=True)
class ImageFiles:
    """The folder that describes an image."""

    folder: Path

    @property
    def dockerfile(self) -> Path:
        """The Dockerfile."""
        return self.folder / "Dockerfile"

    @property
    def locks(self) -> list[Path]:
        """The pip locks, by name."""
        return sorted(path for path in self.folder.glob("*.lock") if path.name != PIN_FILE)

    @property
    def is_suite(self) -> bool:
        """Whether this is the suite's own image, and not one that starts from it."""
        return self.folder.resolve() == SUITE

    @property
    def name(self) -> str:
        """The folder as people write it: relative to the project where it lies inside."""
        folder = self.folder.resolve()
        return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)

    def content(self) -> str:
        """Return the hash over names and bytes of Dockerfile and locks, and over the suite's for a method's image.

        Raises:
            ImageError: The folder has no Dockerfile.
        """
        if not self.dockerfile.is_file():
            raise ImageError(f"no Dockerfile in {self.name!r}: an image is a folder with a Dockerfile and its locks")
        digest = hashlib.sha256()
        if not self.is_suite:
            digest.update(ImageFiles(SUITE).content().encode())
        for path in [self.dockerfile, *self.locks]:
            data = path.read_bytes()
            digest.update(f"{path.name}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()

    def base(self) -> str:
        """Return what the Dockerfile starts from, as ``images.lock`` pins it.

        Raises:
            ImageError: The suite's base is not pinned by digest, or a method's image starts from something else
                than the suite's.
        """
        text = self.dockerfile.read_text()
        stages = re.findall(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)", text, flags=re.M | re.I)
        if self.is_suite:
            match = re.search(r"^ARG BASE=(\S+@sha256:[0-9a-f]{64})$", text, flags=re.M)
            if match is None or set(stages) != {"${BASE}"}:
                raise ImageError(f"{self.name}/Dockerfile must start from ${{BASE}}, pinned by its sha256 digest")
            return match.group(1)
        if set(stages) != {"${SPARSEBENCH}"}:
            raise ImageError(f"{self.name}/Dockerfile must say FROM ${{SPARSEBENCH}} and nothing else, found {stages}")
        return f"sparsebench:{ImageFiles(SUITE).content()}"

    def pins(self) -> Pins:
        """Read ``images.lock``.

        Raises:
            ImageError: It is missing or cannot be read.
        """
        path = self.folder / PIN_FILE
        try:
            return Pins(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise ImageError(f"{self.name}/{PIN_FILE} cannot be used ({error}): run `{self.command} --pin`") from error

    @property
    def command(self) -> str:
        """The command that builds this image."""
        return "sparsebench image" if self.is_suite else f"sparsebench image {self.name}"

    def pin(self) -> Pins:
        """Write ``images.lock`` for the present files and return it; a published image of other files is dropped."""
        path = self.folder / PIN_FILE
        content = self.content()
        old = self.pins() if path.exists() and path.stat().st_size else None
        published = old.published if old and old.content == content else None
        pins = Pins(self.base(), content, published)
        path.write_text(json.dumps(asdict(pins), indent=2) + "\n")
        return pins

    def current_pins(self) -> Pins:
        """Read ``images.lock`` and check that it speaks of the present files.

        Raises:
            ImageError: Dockerfile or a lock was changed after it was pinned.
        """
        pins, content = self.pins(), self.content()
        if pins.content != content or pins.base != self.base():
            raise ImageError(
                f"{self.name}/{PIN_FILE} pins content {pins.content[:12]}, but the Dockerfile and locks there hash to "
                f"{content[:12]}: run `{self.command} --pin` and commit the change"
            )
        return pins


def tag(content: str) -> str:
    """Return the tag under which an image of this content is kept."""
    return f"sparsebench:{content[:12]}"


def image_files(image: str | None) -> ImageFiles:
    """Return the folder that a config names: the suite's for None, else a path, relative ones from the project."""
    return ImageFiles(SUITE if image is None else ROOT / image)


def verify(client: docker.DockerClient, files: ImageFiles) -> VerifiedImage:
    """Return the engine's image of these files.

    Raises:
        ImageError: The files changed since they were pinned, the engine has no image of them, or what bears its tag
            was made from others.
    """
    pins = files.current_pins()
    try:
        image = client.images.get(tag(pins.content))
    except docker.errors.ImageNotFound:
        raise ImageError(f"no image of {files.name}/Dockerfile{_others(client, files)}: run `{_make(files)}`") from None
    labels = image.labels or {}
    if labels.get(CONTENT_LABEL) != pins.content:
        found = labels.get(CONTENT_LABEL, "no label")[:12]
        raise ImageError(
            f"image {tag(pins.content)} was not made from {files.name}/Dockerfile (content label: {found}): "
            f"run `{_make(files)}`"
        )
    base = labels.get(BASE_LABEL, "")
    if not base.startswith(LOCAL) and "@sha256:" not in base:
        raise ImageError(f"image {tag(pins.content)} does not say what its base is: run `{_make(files)}`")
    if files.is_suite and not base.startswith(LOCAL) and base != pins.base:
        raise ImageError(f"image {tag(pins.content)} starts from {base}, not {pins.base}: run `{_make(files)}`")
    return VerifiedImage(str(image.id), pins.content, base)


def _make(files: ImageFiles) -> str:
    """Return the command to name in a refusal."""
    return "make image" if files.is_suite else files.command


def contents(client: docker.DockerClient) -> set[str]:
    """Return the contents of the suite's and methods' images that the engine has."""
    images: list[Image] = client.images.list(filters={"label": CONTENT_LABEL})
    return {image.labels[CONTENT_LABEL] for image in images if image.tags}


def _others(client: docker.DockerClient, files: ImageFiles) -> str:
    """Say whether the engine has an image of an older state of the files: what a person did wrong then is clear."""
    others = sorted(content[:12] for content in contents(client) - {ImageFiles(SUITE).content()})
    if not others:
        return " in this engine"
    return f" (content {files.content()[:12]}) in this engine, only of other files ({', '.join(others)})"


def main() -> None:
    """Pin the suite's Dockerfile and locks as they are now, without building: what ``make lock`` ends with."""
    pins = ImageFiles(SUITE).pin()
    print(f"docker/{PIN_FILE} pins content {pins.content[:12]}")


if __name__ == "__main__":
    main()
