"""What an image is made from: a folder that is hashed and pinned. Reading it needs no engine.

The folder holds a ``Dockerfile``, the hashed pip locks (``*.lock``) and ``images.lock``, which pins the base and the
*content*, one hash over Dockerfile and locks. ``docker/`` holds the suite's image; a method that needs more has a
folder of its own whose Dockerfile starts from the suite's.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.places import INSTALLED, PROJECT, ROOT

SUITE = PROJECT / "docker"
PIN_FILE = "images.lock"
DEVELOPERS_LOCK = "dev.lock"
"""What `make` installs; no image holds it, so a new tool of developers changes no image and no key."""
LOCAL = "local:"
"""Prefix of the base of an image whose base was made on this machine instead of pulled by its digest."""


class ImageError(UsageError):
    """No image may be run; the message names the command that makes one."""


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
    """An engine's image whose labels match the files it should be made from.

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
        return base_digest(self.base)


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
        """The pip locks of the image, by name."""
        return sorted(path for path in self.folder.glob("*.lock") if path.name not in (PIN_FILE, DEVELOPERS_LOCK))

    @property
    def is_suite(self) -> bool:
        """Whether this is the suite's own image rather than one that starts from it."""
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
            ImageError: The suite's base is not pinned by digest, or a method's image does not start from the suite's.
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

    def base_digest(self) -> str:
        """Return the digest of the pinned base; a method's image has that of the suite's image, which it starts from.

        Raises:
            ImageError: As `base`.
        """
        return base_digest(ImageFiles(SUITE).base())

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
        """Write ``images.lock`` for the present files and return it; a published image of older files is dropped."""
        path = self.folder / PIN_FILE
        content = self.content()
        old = self.pins() if path.exists() and path.stat().st_size else None
        published = old.published if old and old.content == content else None
        pins = Pins(self.base(), content, published)
        path.write_text(json.dumps(asdict(pins), indent=2) + "\n")
        return pins

    def current_pins(self) -> Pins:
        """Read ``images.lock`` and check that it describes the present files.

        Raises:
            ImageError: The Dockerfile or a lock was changed after it was pinned.
        """
        pins, content = self.pins(), self.content()
        if pins.content != content or pins.base != self.base():
            raise ImageError(
                f"{self.name}/{PIN_FILE} pins content {pins.content[:12]}, but the Dockerfile and locks there hash to "
                f"{content[:12]}: run `{self.command} --pin` and commit the change"
            )
        return pins


def base_digest(base: str) -> str:
    """Return the digest of a base alone; one made on this machine keeps its ``local:``."""
    return base if base.startswith(LOCAL) else base.rpartition("@")[2]


def tag(content: str) -> str:
    """Return the tag under which an image of this content is kept."""
    return f"sparsebench:{content[:12]}"


def image_files(image: str | None) -> ImageFiles:
    """Return the folder that a config names: the suite's for None, else a path.

    It is relative to the project's root, or to the current folder where the package is installed.
    """
    return ImageFiles(SUITE if image is None else (Path.cwd() if INSTALLED else ROOT) / image)


def main() -> None:
    """Pin the suite's present Dockerfile and locks without building: the last step of ``make lock``."""
    pins = ImageFiles(SUITE).pin()
    print(f"docker/{PIN_FILE} pins content {pins.content[:12]}")


if __name__ == "__main__":
    main()
