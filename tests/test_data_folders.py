"""Image folders as people have them: what is skipped, said, scaled or refused, all before anything is trained."""

import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from datasets import dataset_config, refused, same, write_images
from folders import LOADERS, PLAIN, config, load, pictures

from harness.audit.submission import check
from harness.config import resolve
from harness.errors import UsageError
from harness.places import ROOT
from harness.tasks import data
from harness.tasks.data import contents
from harness.tasks.data.files.crops import resized, resized_crop_box
from harness.tasks.data.order import hold_out, shares


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "images")
    return tmp_path / "images"


LEFT_BEHIND = [
    *("train/n00000000/._train_0.JPEG", "train/n00000000/.DS_Store", "train/n00000000/Thumbs.db"),
    *("train/n00000000/.ipynb_checkpoints/train_0.JPEG", "train/n00000001/@eaDir/train_0.JPEG"),
    *("val/n00000000/__MACOSX/val_0.JPEG", "val/n00000000/deep/.hidden/val_0.JPEG"),
    *("train/.ipynb_checkpoints/a.JPEG", "train/__MACOSX/a.JPEG", "val/@eaDir/a.JPEG", "val/.git/a.JPEG"),
]


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_systems_leave_behind_is_neither_a_class_nor_an_image(folder, name):
    before = data.info(config(folder))
    write_images(folder.parent / "again")
    place = folder.parent / "again" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(next((folder / "train").rglob("*.JPEG")).read_bytes())
    there = config(folder.parent / "again")
    assert data.info(there) == before
    assert data.fingerprint(there) == data.fingerprint(config(folder))
    (note,) = data.notes(there)
    assert note.endswith("skipped: 1 hidden or system")


def test_other_kinds_of_file_are_said_with_their_number(folder):
    for name in ("a.webp", "b.WEBP", "c.tif", "notes"):
        (folder / "train/n00000000" / name).write_bytes(b"x")
    (folder / "train/loose.jpg").write_bytes(b"x")
    (folder / "val/labels.csv").write_bytes(b"x")
    os.mkfifo(folder / "val/n00000000/pipe.jpg")
    (folder / "train/n00000001/loop").symlink_to(folder / "train")
    (note,) = data.notes(config(folder))
    assert note == (
        f"{folder}: only .jpeg, .jpg and .png in class folders are read; skipped: 1 .csv, 1 .tif, 2 .webp, "
        "1 a link to a folder above, 1 not a regular file, 1 outside of class folders, 1 without a suffix"
    )
    assert data.info(config(folder)) == data.Info(12, 4, 6)


def test_nothing_is_said_of_a_clean_folder_nor_of_data_in_memory(folder):
    assert data.notes(config(folder)) == data.notes(dataset_config("digits")) == []
    assert data.notes(dataset_config("imagenet", root="/nowhere")) == []


def test_a_class_folder_without_images_says_what_it_holds(folder):
    for path in (folder / "train/n00000001").iterdir():
        path.rename(path.with_suffix(".webp"))
    assert "n00000001 holds no image (.jpeg, .jpg, .png), but 8 .webp" in refused(lambda: data.info(config(folder)))


def test_flat_validation_images_are_recognised_and_a_folder_of_another_name_is_named(folder):
    for number, path in enumerate(sorted((folder / "val").rglob("*.JPEG"))):
        path.rename(folder / f"val/ILSVRC2012_val_{number:08}.JPEG")
    for place in (folder / "val").iterdir():
        if place.is_dir():
            place.rmdir()
    flat = f"{folder}/val holds 6 images but no class folders: sort them into {folder}/val/CLASS/, as docs/data.md says"
    assert flat in refused(lambda: data.info(config(folder)))
    (folder / "val").rename(folder / "test")
    message = refused(lambda: data.info(config(folder)))
    assert f"{folder}/val is missing" in message
    assert message.endswith("there is a folder test")


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("shape", [(20, 40), (40, 20), (28, 28)])
def test_inputs_of_any_shape_are_served_in_that_shape(folder, loader, shape):
    split = load(folder, loader, shape=[3, *shape])
    for stream in (split.train, split.val, split.test):
        images, _ = next(iter(stream.epoch(0)))
        assert images.shape[1:] == (3, *shape)


@pytest.mark.skipif(not data.DALI, reason="needs nvidia-dali")
def test_both_loaders_serve_the_same_parts_of_pictures_for_wide_inputs(folder):
    ours, theirs = (load(folder, loader, shape=[3, 20, 40], **PLAIN) for loader in ("dali", "torchvision"))
    for part in ("train", "val", "test"):
        left, right = (pictures(getattr(split, part)) for split in (ours, theirs))
        assert (left - right).abs().mean() < 1


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (64, 64), (7, 300), (300, 7), (1, 1)])
@pytest.mark.parametrize("shape", [(224, 224), (32, 64), (64, 32), (1, 50)])
def test_evaluation_resizes_to_cover_the_input_and_its_margin(size, shape):
    width, height = size
    down, across = resized(width, height, shape)
    margin = [round(side * 256 / 224) for side in shape]
    assert down >= margin[0]
    assert across >= margin[1]
    assert down == margin[0] or across == margin[1]
    assert abs(down / across - height / width) <= (height / width) / min(down, across) * 1.5
    if shape[0] == shape[1]:
        shorter, longer = sorted((width, height))
        assert sorted((down, across)) == [margin[0], int(margin[0] * longer / shorter)]


def test_crops_for_wide_inputs_are_wide_and_those_for_square_ones_as_they_were():
    for proportion in (2, 0.5):
        draws = random.Random(0)
        boxes = [resized_crop_box(1000, 1000, draws, proportion) for _ in range(200)]
        ratios = [across / down for *_, down, across in boxes]
        assert all(0.74 * proportion < ratio < 1.35 * proportion for ratio in ratios)
    assert resized_crop_box(500, 375, random.Random(1)) == resized_crop_box(500, 375, random.Random(1), 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [1, 28, 28]}, "dataset.shape=[1, 28, 28]: image folders are served in 3 channels"),
        ({"shape": [4, 28, 28]}, "use dataset.shape=[3,28,28]"),
        ({"mean": [0.5]}, "dataset.mean=[0.5]: one number for each of 3 channels"),
        ({"mean": [123.7, 116.3, 103.5]}, "allowed are numbers from 0 to 1, as of bytes divided by 255"),
        ({"std": [0.2, float("nan"), 0.2]}, "allowed are numbers from 0 to 1"),
        ({"std": [0.2, 0, 0.2]}, "allowed are numbers above 0"),
        ({"train_examples": 99}, "dataset.train_examples=99, but"),
        ({"test_examples": 99}, "dataset.test_examples=99, but"),
        ({"classes": 3}, "has 2 class folders where dataset.classes=3"),
        ({"val_examples": 15}, "dataset.val_examples=15: cannot hold out 15 of 16 samples: allowed are 1 to 14"),
        ({"val_examples": 16}, "dataset.val_examples=16: allowed are 0 to 15, of 16 images"),
    ],
)
def test_settings_that_the_folder_cannot_be_served_by_are_refused_in_the_plan(folder, changes, message):
    assert message in refused(lambda: data.info(config(folder, **changes)))


def test_every_class_keeps_a_training_image():
    sizes = np.array([1] * 12 + [40, 40, 40])
    labels = np.repeat(np.arange(15), sizes)
    for count in (1, 30, 100, 117):
        held = shares(sizes, count)
        assert held.sum() == count
        assert (held < sizes).all()
        for seed in range(3):
            kept, out = hold_out(labels, count, seed)
            assert set(labels[kept]) == set(range(15))
            assert len(out) == count
    assert "allowed are 1 to 117, so that each of the 15 classes keeps one" in refused(lambda: shares(sizes, 118))


def test_splits_that_emptied_no_class_are_as_they_were():
    draws = np.random.default_rng(0)
    for _ in range(200):
        sizes = draws.integers(0, 60, 9)
        samples = int(sizes.sum())
        count = int(draws.integers(1, samples // 2))
        before = np.diff((np.cumsum(sizes) * count + samples // 2) // samples, prepend=0)
        if ((before < sizes) | (sizes == 0)).all():
            assert shares(sizes, count).tolist() == before.tolist()


def test_a_small_folder_is_known_by_its_content_a_large_one_by_paths_and_sizes(folder, tmp_path, monkeypatch):
    write_images(tmp_path / "changed")
    path = tmp_path / "changed/train/n00000000/train_1.JPEG"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert data.fingerprint(config(folder)) != data.fingerprint(config(tmp_path / "changed"))
    monkeypatch.setattr(contents, "CONTENT_BYTES", 1000)
    data.loading._digest.cache_clear()
    assert data.fingerprint(config(folder)) == data.fingerprint(config(tmp_path / "changed"))
    data.loading._digest.cache_clear()


def test_the_same_batches_come_from_a_folder_with_rubbish_in_it(folder):
    before = list(load(folder).train.epoch(0))
    write_images(folder.parent / "again")
    for name in LEFT_BEHIND:
        place = folder.parent / "again" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
    assert same(before, load(folder.parent / "again").train.epoch(0))


def test_a_run_on_a_folder_records_its_own_counts_and_is_accepted(tmp_path):
    write_images(tmp_path / "images", classes=3, train=30, test=13)
    command = [
        *(sys.executable, "-m", "harness.cli", "run", "runner=local", f"output={tmp_path}", "budget=steps:4"),
        *("dataset=imagenet", f"dataset.root={tmp_path}/images", "dataset.shape=[3,16,24]", "dataset.classes=3"),
        *("dataset.val_examples=9", "model=resnet20", "method=static", "device=cpu", "workers=1", "evaluations=1"),
        *("recipe.batch_size=26", "recipe.epochs=2", "recipe.warmup_epochs=0"),
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    (path,) = (tmp_path / "records").glob("*.json")
    record = json.loads(path.read_text())
    counts = record["config"]["dataset"]
    assert (counts["train_examples"], counts["val_examples"], counts["test_examples"]) == (90, 9, 39)
    assert record["cost"]["samples"] == 81 + 26  # 26, 26 and 29 with the 3 that remain
    others = ("seeds: only 0", "git")  # of a single run from a working tree
    assert [line for line in check([path])[path] if not line.startswith(others)] == []
    record["config"]["train_samples"] = 80
    path.write_text(json.dumps(record))
    assert "train_samples: 80, but the data set's counts leave 81" in check([path])[path]


def test_lengths_are_those_of_the_folder_and_not_of_the_published_set(tmp_path):
    write_images(tmp_path / "images", classes=2, train=60, test=4)
    given = [
        *("dataset=imagenet", f"dataset.root={tmp_path}/images", "dataset.classes=2", "dataset.val_examples=8"),
        *("method=rigl", "recipe.batch_size=8", "budget=epochs:5", "recipe.lr_shape=step"),  # 70 steps
    ]
    run = resolve([*given, "method.interval=1 epoch", "recipe.milestones=[20 steps,4 epochs]"])
    assert run.method.interval == 14
    assert run.recipe.milestones == pytest.approx([20 / 70, 0.8])
    assert resolve([*given, "recipe.methods.rigl.interval=2 epochs"]).method.interval == 28
    with pytest.raises(UsageError, match="200 steps is after the end of the run, 70 steps of which an epoch has 14"):
        resolve([*given, "recipe.milestones=[200 steps]"])
    # Without a folder a run is planned with the counts of the published set.
    absent = resolve([*given, f"dataset.root={tmp_path}/absent", "method.interval=1 epoch"])
    assert absent.method.interval == 160_145


def test_the_script_of_the_docs_sorts_flat_validation_images(folder):
    script = (ROOT / "docs/data.md").read_text().partition("```python\n")[2].partition("```")[0]
    classes = []
    for number, path in enumerate(sorted((folder / "val").rglob("*.JPEG"))):
        classes.append(path.parent.name)
        path.rename(folder / f"val/ILSVRC2012_val_{number:08}.JPEG")
    for name in set(classes):
        (folder / "val" / name).rmdir()
    torch.save(({}, classes), folder / "meta.bin")
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert data.info(config(folder)) == data.Info(12, 4, 6)


def test_a_root_one_level_too_high_or_too_low_is_put_right(folder):
    for root in (folder.parent, folder / "train"):
        message = refused(lambda root=root: data.info(config(root)))
        assert message.endswith(f"is a folder without train, so not imagenet; did you mean dataset.root={folder}?")


def test_a_root_that_cannot_be_looked_at_is_refused_in_one_line():
    assert "File name too long" in refused(lambda: data.info(config("/tmp/" + "x" * 300)))
