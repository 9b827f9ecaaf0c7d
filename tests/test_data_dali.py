"""Image folders through DALI: the crops, order and errors of the portable loader, other rounding alone."""

import gc
import io
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import dataset_config, refused, same
from PIL import Image
from torchvision.transforms import functional as F

from harness import config
from harness.plan.planned import settled
from harness.records import load as load_record
from harness.tasks import data
from harness.tasks.data import loading
from harness.tasks.data.files import imagenet_shaped
from harness.tasks.data.files.crops import central_region, random_crop
from harness.tasks.data.files.encoded import Encoded

pytest.importorskip("nvidia.dali", reason="needs DALI")
ROOT = Path(__file__).parent.parent
SIDE = 56
PLAIN = {"mean": [0, 0, 0], "std": [1 / 255] * 3}  # inputs are then grey levels, 0 to 255


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("images")
    imagenet_shaped.write(place, classes=2, train=20, val=4, longer_side=120)
    return place


@pytest.fixture
def small(tmp_path):
    imagenet_shaped.write(tmp_path, classes=2, train=3, val=4, longer_side=60)
    return tmp_path


def settings(folder, **changes):
    fields = {"root": str(folder), "shape": [3, SIDE, SIDE], "classes": 2, "val_examples": 4, **PLAIN, **changes}
    return dataset_config("imagenet", **fields)


def load(folder, loader="dali", **changes):
    arguments = {"batch_size": 8, "seed": 5, "augment": "imagenet", "eval_batch_size": 3, "loader": loader, **changes}
    return data.load(settings(folder), **arguments)


def together(batches):
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


def test_pictures_are_those_of_the_portable_loader_in_its_order(folder):
    ours, theirs = load(folder).train, load(folder, "torchvision").train
    assert (ours.samples, ours.batch_size, ours.steps_per_epoch) == (36, 8, 5)
    for epoch in (0, 7):
        (images, labels), (expected, wanted) = together(ours.epoch(epoch)), together(theirs.epoch(epoch))
        assert torch.equal(labels, wanted)
        difference = (images - expected).abs()
        assert difference.mean() < 0.3
        assert difference.mean(dim=(1, 2, 3)).max() < 0.5  # another crop, or the mirrored one, is off by tens
        assert difference.max() <= 8


@pytest.mark.parametrize("part", ["val", "test"])
def test_evaluation_takes_the_centre_of_the_portable_loader(folder, part):
    (images, labels), (expected, wanted) = (
        together(getattr(load(folder, loader), part).epoch(0)) for loader in ("dali", "torchvision")
    )
    assert torch.equal(labels, wanted)
    assert (images - expected).abs().mean() < 0.3
    assert (images - expected).abs().max() <= 4


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (97, 64), (64, 64), (61, 200), (30, 33), (300, 9)])
def test_the_region_of_evaluation_is_the_centre_of_the_resized_picture(size):
    rough = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    image = Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)
    usual = F.center_crop(F.resize(image, [round(SIDE * 256 / 224)]), [SIDE, SIDE])
    region = central_region(*size, (SIDE, SIDE))
    box = image.crop((region.left, region.top, region.left + region.width, region.top + region.height))
    part = (region.from_column, region.from_row, region.to_column, region.to_row)
    found = box.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=part)
    assert np.abs(np.asarray(found).astype(int) - np.asarray(usual)).max() <= 1


def test_crops_belong_to_seed_epoch_and_sample():
    crop = random_crop(500, 375, 1, 2, 3)
    assert crop == random_crop(500, 375, 1, 2, 3)
    others = [random_crop(500, 375, *names) for names in ((0, 2, 3), (1, 0, 3), (1, 2, 0))]
    assert crop not in others
    flips = [random_crop(500, 375, 0, 0, sample).flip for sample in range(400)]
    assert 150 < sum(flips) < 250


def test_batches_are_the_same_for_any_number_of_workers(folder):
    alone, helped = load(folder).train, load(folder, workers=2).train
    assert [len(labels) for _, labels in helped.epoch(0)] == [8, 8, 8, 8, 4]
    for epoch in (0, 1):
        assert same(alone.epoch(epoch), helped.epoch(epoch))


def test_an_epoch_left_and_entered_in_the_middle_goes_on_with_the_same_batches(folder):
    split = load(folder).train
    whole = list(split.epoch(1))
    abandoned = split.epoch(0)
    next(abandoned)
    assert same(whole[3:], split.epoch(1, start=3))
    abandoned.close()
    assert same(whole, split.epoch(1))
    assert list(split.epoch(1, start=5)) == []


def _damaged(content, how):
    scan = content.index(b"\xff\xda")
    return {
        "empty": b"",
        "text": b"not an image",
        "half": content[:300],
        "no pixels": content[:scan] + b"\xff\xd9",  # a whole JPEG to who looks at both of its ends
    }[how]


@pytest.mark.parametrize(
    ("how", "workers"), [("empty", 0), ("text", 2), ("half", 0), ("no pixels", 0), ("no pixels", 2)]
)
def test_an_image_that_cannot_be_read_is_named_as_by_the_portable_loader(small, how, workers):
    path = small / "val/n00000001/val_1.JPEG"
    path.write_bytes(_damaged(path.read_bytes(), how))
    message = refused(lambda: list(load(small, workers=workers).test.epoch(0)))
    assert message.startswith(f"cannot read the image {path}: ")
    assert message == refused(lambda: list(load(small, "torchvision").test.epoch(0)))


def test_batches_before_an_unreadable_image_come_out(small):
    path = small / "val/n00000001/val_3.JPEG"  # the eighth, in the third batch
    path.write_bytes(_damaged(path.read_bytes(), "no pixels"))
    batches = load(small).test.epoch(0)
    assert [len(next(batches)[1]) for _ in range(2)] == [3, 3]
    refused(lambda: next(batches))


@pytest.mark.parametrize(
    ("how", "exact"),
    [
        ({"format": "JPEG", "progressive": True}, False),
        ({"format": "JPEG", "subsampling": 0}, False),
        ({"format": "JPEG", "mode": "L"}, False),
        ({"format": "JPEG", "turned": True}, False),
        ({"format": "JPEG", "after": b"more"}, True),
        ({"format": "JPEG", "keep_rgb": True}, True),
        ({"format": "JPEG", "mode": "CMYK"}, True),
        ({"format": "PNG"}, True),
        ({"format": "PNG", "mode": "P"}, True),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_odd_files_are_served_as_by_the_portable_loader(small, how, exact):
    mode, after, turned = (how.pop(name, default) for name, default in (("mode", "RGB"), ("after", b""), ("turned", 0)))
    for path in (small / "val").rglob("*.JPEG"):
        image = Image.open(io.BytesIO(path.read_bytes())).convert("RGB").convert(mode)
        if turned:
            image.getexif()[0x0112] = 6  # "turn it by a quarter", which Pillow does not
            how["exif"] = image.getexif()
        image.save(path, quality=95, **how)
        path.write_bytes(path.read_bytes() + after)
    (images, _), (expected, _) = (together(load(small, loader).test.epoch(0)) for loader in ("dali", "torchvision"))
    assert torch.equal(images, expected) if exact else (images - expected).abs().mean() < 0.3


def _alive():
    """Threads and children of this process."""
    tasks = Path("/proc/self/task")
    return {*os.listdir(tasks), *(tasks / str(os.getpid()) / "children").read_text().split()}


def test_threads_and_processes_end_with_their_owner(small):
    gc.collect()
    before = _alive()
    gc.disable()  # none may have to wait for a collection
    try:
        split = load(small, workers=1)
        list(split.train.epoch(0))
        next(split.train.epoch(1))
        assert len(_alive() - before) >= 2  # a worker, and threads that decode
        del split
        until = time.monotonic() + 5  # the kernel forgets a thread a little after it ended
        while _alive() - before and time.monotonic() < until:
            time.sleep(0.01)
        assert not _alive() - before
    finally:
        gc.enable()


def test_workers_leave_the_pipelines_of_their_parent_alone(small, monkeypatch):
    region = Encoded._region

    def region_after_a_collection(*arguments):
        gc.collect()
        return region(*arguments)

    gc.disable()
    try:
        rubbish = [load(small).train]
        next(rubbish[0].epoch(0))
        list(rubbish[0].epoch(0))
        rubbish.append(rubbish)
        del rubbish  # for the collector, which a worker is forked before
        monkeypatch.setattr(Encoded, "_region", region_after_a_collection)
        assert same(load(small, workers=1).val.epoch(0), load(small).val.epoch(0))
    finally:
        gc.enable()


def test_loading_leaves_the_global_generators_as_they_were(small):
    torch.manual_seed(3)
    states = torch.get_rng_state(), random.getstate()
    list(load(small).train.epoch(0))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]


def test_a_loader_that_cannot_serve_is_refused(folder, monkeypatch):
    assert "loader=dali: digits is held in memory" in refused(lambda: settled(config.resolve(["loader=dali"])))
    assert "loader=torchvision: digits is" in refused(lambda: settled(config.resolve(["loader=torchvision"])))
    monkeypatch.setattr(loading, "DALI", False)
    message = "loader=dali: nvidia-dali is not installed"
    assert message in refused(lambda: settled(config.resolve(["dataset=imagenet", "loader=dali"])))
    assert message in refused(lambda: load(folder))


def test_made_pictures_depend_on_the_seed_alone(small, tmp_path_factory):
    def content(place):
        return {path.relative_to(place): path.read_bytes() for path in place.rglob("*.JPEG")}

    again, other = tmp_path_factory.mktemp("again"), tmp_path_factory.mktemp("other")
    sizes = {"classes": 2, "train": 3, "val": 4, "longer_side": 60}
    imagenet_shaped.write(again, **sizes, processes=2)
    imagenet_shaped.write(other, **sizes, seed=1)
    assert content(small) == content(again) != content(other)
    assert len(set(content(small).values())) == 14


def test_made_pictures_are_shaped_as_those_of_imagenet(tmp_path, capsys):
    assert imagenet_shaped.main([str(tmp_path), "--classes=2", "--train=30", "--val=1", "--processes=1"]) == 0
    capsys.readouterr()
    paths = sorted(tmp_path.rglob("*.JPEG"))
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(image)
    assert 60_000 < np.median([path.stat().st_size for path in paths]) < 160_000
    assert sum(image.size in ((500, 375), (375, 500), (500, 333), (333, 500)) for image in images) > 30
    assert {image.mode for image in images} == {"RGB", "L", "CMYK"}
    assert {image.format for image in images} == {"JPEG", "PNG"}


def test_a_run_trains_on_what_dali_decodes(folder, tmp_path):
    command = [
        *(sys.executable, "-m", "harness.cli", "run", "runner=local", f"output={tmp_path}", "budget=steps:4"),
        *("dataset=imagenet", f"dataset.root={folder}", "dataset.shape=[3,32,32]", "dataset.classes=2"),
        *("dataset.val_examples=4", "model=resnet20", "method=rigl", "device=cpu", "loader=dali", "workers=1"),
        *("recipe.batch_size=16", "recipe.epochs=2", "recipe.warmup_epochs=0", "method.interval=2", "evaluations=2"),
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    (path,) = (tmp_path / "records").glob("*.json")
    made = load_record(path)
    assert made["status"] == "done"
    assert made["cost"]["samples"] == 16 + 16 + 4 + 16  # the last of them of the second epoch
    assert made["config"]["loader"] == "dali"
    assert made["metrics"]["test_accuracy"] is not None


@pytest.mark.cuda
def test_on_cuda_pictures_are_decoded_on_the_device(folder):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    ours, theirs = (load(folder, loader, device="cuda", workers=2) for loader in ("dali", "torchvision"))
    for part in ("train", "val", "test"):
        for epoch in (0, 1):
            (images, labels), (expected, wanted) = (
                together(getattr(splits, part).epoch(epoch)) for splits in (ours, theirs)
            )
            assert images.is_cuda
            assert torch.equal(labels, wanted)
            assert (images - expected).abs().mean(dim=(1, 2, 3)).max() < 1
    whole = list(ours.train.epoch(1))
    assert same(whole[2:], ours.train.epoch(1, start=2))
