"""Which images may be run, and what is said of those that may not."""

import io
import tarfile

import pytest

from harness import config
from harness.containers import build
from harness.containers.content import SUITE, ImageError, ImageFiles, tag
from harness.containers.image import BASE_LABEL, CONTENT_LABEL, verify
from harness.errors import UsageError
from harness.runners.choose import choose

pytestmark = pytest.mark.docker

OWN = "ARG SPARSEBENCH\nFROM ${SPARSEBENCH}\nENV SPARSEBENCH_EXTRA=yes\n"


def tiny(engine, name, labels):
    """An image of one empty file with these labels."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    changes = [f"LABEL {key}={value}" for key, value in labels.items()]
    repository, _, version = name.partition(":")
    engine.api.import_image_from_data(archive.getvalue(), repository=repository, tag=version, changes=changes)


@pytest.fixture
def files(tmp_path):
    """A method's own image, pinned and not built."""
    (tmp_path / "Dockerfile").write_text(OWN)
    files = ImageFiles(tmp_path)
    files.pin()
    return files


@pytest.fixture
def built(engine, files):
    """Removes what a test has built or tagged of these files, and what a build that failed left untagged."""
    dangling = {"dangling": True}
    before = {image.id for image in engine.images.list(filters=dangling)}
    yield files
    if engine.images.list(tag(files.content())):
        engine.images.remove(tag(files.content()), force=True)
    for image in engine.images.list(filters=dangling):
        if image.id not in before:
            engine.images.remove(image.id, force=True)


def test_the_suites_image_carries_its_content_and_says_where_its_base_is_from(engine, image):
    labels = engine.images.get(image.id).labels
    assert labels[CONTENT_LABEL] == ImageFiles(SUITE).content()
    assert image.base == ImageFiles(SUITE).pins().base or image.base_digest.startswith("local:sha256:")


def test_an_image_that_was_not_built_is_refused_with_the_command_that_builds_it(engine, image, files):
    with pytest.raises(ImageError, match=r"no image of .*/Dockerfile.* in this engine.*: run `sparsebench image "):
        verify(engine, files)


@pytest.mark.parametrize("label", ["0" * 64, None])
def test_an_image_with_the_right_name_and_other_content_is_refused(engine, image, built, label):
    tiny(engine, tag(built.content()), {CONTENT_LABEL: label} if label else {"other": "label"})
    with pytest.raises(ImageError, match="was not made from"):
        verify(engine, built)


def test_an_image_that_does_not_say_its_base_is_refused(engine, image, built):
    tiny(engine, tag(built.content()), {CONTENT_LABEL: built.content(), BASE_LABEL: "python:3.11"})
    with pytest.raises(ImageError, match="does not say what its base is"):
        verify(engine, built)


def test_a_methods_own_image_is_built_on_the_suites_and_checked_alike(engine, image, built):
    lines = []
    made = build.build(engine, built, lines.append)
    assert made.base == image.base
    assert made.id != image.id
    assert "SPARSEBENCH_EXTRA=yes" in engine.images.get(made.id).attrs["Config"]["Env"]
    assert build.build(engine, built, lines.append) == made, "the second time it is there"
    built.dockerfile.write_text(OWN + "ENV MORE=1\n")
    with pytest.raises(ImageError, match=r"--pin` and commit the change"):
        verify(engine, built)
    built.pin()
    with pytest.raises(ImageError, match="no image of"):
        verify(engine, built)
    engine.images.remove(made.id, force=True)


def test_a_failing_build_says_its_last_lines(engine, image, built):
    built.dockerfile.write_text(OWN + "RUN echo so far so good && exit 7\n")
    built.pin()
    with pytest.raises(ImageError, match=r"the build of .* failed: .*so far so good.* 7"):
        build.build(engine, built, lambda line: None)


def test_too_little_disk_is_said_before_the_build(engine, image, built, monkeypatch):
    monkeypatch.setattr(build, "METHOD_DISK", 1 << 60)
    lines = []
    with pytest.raises(UsageError, match=r"needs 1073741824\.0 GiB free in /"):
        build.build(engine, built, lines.append)
    assert not any(line.startswith("Step") for line in lines)


def test_auto_takes_the_container_where_an_engine_and_the_image_are(engine, image):
    choice = choose(config.resolve(["runner=auto"]))
    assert (choice.name, choice.image) == ("docker", image)
    assert choice.why == f"runner docker: an engine answers, image {image.id[7:19]} verified"
    assert choice.provenance == {"image_id": image.id, "base_digest": image.base_digest}
