"""Downloading what an image's locks name: with the host's pip settings, checked by hash, kept for the next time."""

import hashlib
import sys
import zipfile

import pytest

from harness.containers.content import ImageError, ImageFiles
from harness.containers.wheels import IMAGE_PYTHON, download

pytestmark = pytest.mark.skipif(
    f"{sys.version_info.major}.{sys.version_info.minor}" != IMAGE_PYTHON,
    reason="only the image's Python downloads for it",
)


def wheel(folder, name, version="1.0"):
    """Make a wheel that pip accepts; returns its line in a lock."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{name.replace('_', '-')}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip is told to look in, and nowhere else."""
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return index


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "image"
    folder.mkdir()
    return ImageFiles(folder)


def names(paths):
    return [path.name.split("-")[0] for path in paths]


def test_a_changed_lock_downloads_only_what_changed(index, files):
    lock = files.folder / "requirements.lock"
    lock.write_text(wheel(index, "sparse_one") + wheel(index, "sparse_old"))
    assert names(download(files, print)) == ["sparse_old", "sparse_one"]
    first = lock.read_text().splitlines(keepends=True)[0]
    lock.write_text(first + wheel(index, "sparse_two"))
    one, two = download(files, print)
    assert names([one, two]) == ["sparse_one", "sparse_two"]
    assert (one.stat().st_nlink, two.stat().st_nlink) == (2, 1), "the first is the file of the first time"


def test_what_is_complete_is_not_downloaded_again(index, files):
    (files.folder / "requirements.lock").write_text(wheel(index, "sparse_one"))
    said = []
    download(files, said.append)
    for path in index.iterdir():
        path.unlink()
    assert names(download(files, said.append)) == ["sparse_one"]
    assert len(said) == 1


def test_a_package_with_another_hash_is_refused(index, files):
    line = wheel(index, "sparse_one")
    (files.folder / "requirements.lock").write_text(line[:-65] + "0" * 64 + "\n")
    with pytest.raises(ImageError, match=r"pip cannot download what .*requirements\.lock names"):
        download(files, print)


def test_an_image_without_locks_needs_nothing(files):
    assert download(files, pytest.fail) == []
