"""``sparsebench doctor data``: all that a run would see or be refused for, before anything is trained."""

import json
import shutil

import pytest
from datasets import write_images
from PIL import Image

from harness.cli import main as cli


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_images(folder, classes=3, train=10, test=4)
    return folder


@pytest.fixture
def folder(images, tmp_path):
    return shutil.copytree(images, tmp_path / "images")


def doctor(capsys, *arguments):
    """Return the exit status and what is printed."""
    given = cli.parse(["doctor", "data", *arguments])
    status = given.call(given)
    return status, capsys.readouterr().out


def on(folder, *more):
    return ["dataset=imagenet", f"dataset.root={folder}", "dataset.shape=[3,32,32]", "model=resnet20", *more]


FITTING = ("dataset.classes=3", "dataset.val_examples=6", "recipe.batch_size=23")


def test_it_prints_what_a_run_would_see_in_80_columns(capsys, folder):
    (folder / "train/n00000000/a.webp").write_bytes(b"x")
    status, text = doctor(capsys, *on(folder, *FITTING))
    assert status == 0
    assert max(map(len, text.splitlines())) <= max(80, len(str(folder)) + 40)
    for line in (
        "split        24 train, 6 val, 12 test",
        "classes      n00000000: 8 train, 2 val, 4 test",
        "batches      1 of 23 an epoch, the last of 24",
        "skipped      1 .webp",
        "broken       0 (--full decodes all files)",
        "             a run would be trained on these data",
    ):
        assert line in text.splitlines()
    assert "a rest of 1 is too small" in " ".join(text.split())


def test_all_that_is_wrong_is_said_at_once(capsys, folder):
    (folder / "val/n00000001/val_1.JPEG").write_bytes(b"")
    status, text = doctor(capsys, *on(folder, "dataset.shape=[1,32,32]"), "--json")
    assert status == 1
    report = json.loads(text)
    assert len(report["broken"]) == 1
    said = "\n".join(report["refused"])
    for part in (
        "dataset.classes=1000, but there are 3 class folders",
        "dataset.val_examples=10000: allowed are 0 to 29",
        "image folders are served in 3 channels",
        "1 files cannot be read; the first is",
    ):
        assert part in said


def test_full_finds_what_only_decoding_finds_and_test_images_that_are_trained_on(capsys, folder):
    content = (folder / "train/n00000000/train_0.JPEG").read_bytes()
    (folder / "val/n00000000/val_3.JPEG").write_bytes(content)
    scan = content.index(b"\xff\xda")
    (folder / "val/n00000001/val_1.JPEG").write_bytes(content[:scan] + b"\xff\xd9")
    status, text = doctor(capsys, *on(folder, *FITTING), "--json")
    assert (status, json.loads(text)["broken"], json.loads(text)["repeated"]) == (0, [], None)
    status, text = doctor(capsys, *on(folder, *FITTING), "--full", "--json")
    report = json.loads(text)
    assert status == 1
    assert [each["path"] for each in report["broken"]] == [str(folder / "val/n00000001/val_1.JPEG")]
    assert report["repeated"] == [
        {"test": str(folder / "val/n00000000/val_3.JPEG"), "train": str(folder / "train/n00000000/train_0.JPEG")}
    ]
    assert report["decoded"] == 41
    assert all(0 < value < 1 for value in report["measured"]["mean"] + report["measured"]["std"])


def test_odd_colours_and_turned_pictures_are_counted(capsys, folder):
    turned = Image.new("RGB", (40, 30))
    turned.getexif()[0x0112] = 6
    turned.save(folder / "train/n00000000/turned.jpg", exif=turned.getexif())
    Image.new("I;16", (40, 30)).save(folder / "train/n00000000/wide.png")
    Image.new("RGBA", (40, 30)).save(folder / "train/n00000000/clear.png")
    _, text = doctor(capsys, *on(folder, *FITTING), "--json")
    assert json.loads(text)["oddities"] == {
        "turned by EXIF, served as stored": 1,
        "of 16 bits, upper 8 kept": 1,
        "transparent, served without": 1,
    }


def test_a_folder_that_cannot_be_listed_and_absent_data_are_refused(capsys, folder, tmp_path):
    shutil.rmtree(folder / "val")
    status, text = doctor(capsys, *on(folder, *FITTING))
    assert (status, "val is missing" in " ".join(text.split())) == (1, True)
    status, text = doctor(capsys, *on(tmp_path / "nowhere"))
    assert (status, "is missing: looked for" in " ".join(text.split())) == (1, True)


def test_data_in_memory_are_looked_at_too(capsys):
    status, text = doctor(capsys)
    assert status == 0
    assert "split        1,293 train, 144 val, 360 test" in text
    status, text = doctor(capsys, "dataset.shape=[3,8,8]", "dataset.mean=[0,0,0]", "dataset.std=[1,1,1]")
    assert (status, "but the digits found here has [1, 8, 8]" in " ".join(text.split())) == (1, True)
    status, text = doctor(capsys, "recipe.augment=imagenet")
    assert (status, "augmentation" in text) == (1, True)


def test_many_classes_are_said_by_their_range(capsys, tmp_path):
    write_images(tmp_path / "many", classes=13, train=2, test=1)
    _, text = doctor(capsys, *on(tmp_path / "many", "dataset.classes=13", "dataset.val_examples=5"))
    assert "classes 13 of 1 to 2 train, 0 to 1 val, 1 to 1 test samples each (--json lists" in " ".join(text.split())
