"""The proof that an engine's image was made from the pinned files: every build carries their hash as a label."""

import docker
import docker.errors
from docker.models.images import Image

from harness.containers.content import LOCAL, SUITE, ImageError, ImageFiles, VerifiedImage, tag
from harness.containers.engine import LABEL

CONTENT_LABEL = f"{LABEL}.content"
BASE_LABEL = f"{LABEL}.base"


def verify(client: docker.DockerClient, files: ImageFiles) -> VerifiedImage:
    """Return the engine's image of these files.

    Raises:
        ImageError: The files changed since they were pinned, the engine has no image of them, or the image with that
            tag was made from other files.
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
    """Name the images of older states of the files that the engine has, so that the cause is clear."""
    others = sorted(content[:12] for content in contents(client) - {ImageFiles(SUITE).content()})
    if not others:
        return " in this engine"
    return f" (content {files.content()[:12]}) in this engine, only of other files ({', '.join(others)})"
