"""Image folders: the same pictures whatever the workers, entered anywhere, cropped as the papers do."""

import random

import numpy as np
import pytest
import torch
from datasets import dataset_config, refused, same, write_images
from PIL import Image
from torchvision import transforms

from harness.seeds import derive
from harness.tasks import data
from harness.tasks.data.files.crops import resized_crop_box
from harness.tasks.data.order import hold_out, shuffled

SIDE = 28


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("images")
    write_images(place)
    return place


def config(folder, **changes):
    return dataset_config(
        "imagenet", **{"root": str(folder), "shape": [3, SIDE, SIDE], "classes": 2, "val_examples": 4, **changes}
    )


def load(folder, **changes):
    arguments = {"batch_size": 5, "seed": 0, "augment": "imagenet", "eval_batch_size": 4, **changes}
    return data.load(config(folder), **arguments)


def test_counts_come_from_the_folder(folder):
    assert data.info(config(folder)) == data.Info(train_samples=12, val_samples=4, test_samples=6)
    parts = load(folder)
    assert (parts.train.samples, parts.val.samples, parts.test.samples) == (12, 4, 6)
    assert parts.train.steps_per_epoch == 3
    assert [len(labels) for _, labels in parts.train.epoch(0)] == [5, 5, 2]
    assert [labels.tolist() for _, labels in parts.test.epoch(0)] == [[0, 0, 0, 1], [1, 1]]


def test_batches_are_the_same_for_any_number_of_workers(folder):
    alone, helped = load(folder, workers=0), load(folder, workers=2)
    for epoch in (0, 1):
        assert same(alone.train.epoch(epoch), helped.train.epoch(epoch))
    assert same(alone.val.epoch(0), helped.val.epoch(0))
    assert same(alone.test.epoch(0), helped.test.epoch(0))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_left_and_entered_in_the_middle_goes_on_with_the_same_batches(folder, workers):
    split = load(folder, workers=workers).train
    whole = list(split.epoch(1))
    abandoned = split.epoch(0)
    next(abandoned)
    assert same(whole[1:], split.epoch(1, start=1))
    assert same(whole, split.epoch(1))


def test_loading_leaves_the_global_generator_as_it_was(folder):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    list(load(folder).train.epoch(0))
    assert torch.equal(torch.get_rng_state(), state)


def test_epochs_and_seeds_crop_differently(folder):
    split = load(folder).train
    assert not same(split.epoch(0), split.epoch(1))
    assert not same(split.epoch(0), load(folder, seed=1).train.epoch(0))


def test_evaluation_resizes_the_shorter_side_and_takes_the_centre(folder):
    found = torch.cat([images for images, _ in load(folder).test.epoch(0)])
    steps = [transforms.Resize(32), transforms.CenterCrop(SIDE), transforms.ToTensor()]
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    usual = transforms.Compose([*steps, transforms.Normalize(mean, std)])
    paths = sorted((folder / "val").rglob("*.JPEG"))
    expected = torch.stack([usual(Image.open(path).convert("RGB")) for path in paths])
    assert torch.allclose(found, expected, atol=1e-5)


def test_training_crops_match_those_of_single_images(folder):
    seed, epoch = 4, 3
    plain = {"mean": [0, 0, 0], "std": [1 / 255] * 3}
    split = data.load(config(folder, **plain), batch_size=5, seed=seed, augment="imagenet").train
    found = torch.cat([images for images, _ in split.epoch(epoch)]).round().byte().numpy()

    paths = sorted((folder / "train").rglob("*.JPEG"))
    kept, _ = hold_out(np.repeat([0, 1], 8), 4, derive(seed, "split"))
    for image, sample in zip(found, shuffled(12, seed, epoch).tolist(), strict=True):
        source = Image.open(paths[kept[sample]]).convert("RGB")
        draws = random.Random(derive(seed, "augment", epoch, sample))
        top, left, height, width = resized_crop_box(source.width, source.height, draws)
        crop = source.crop((left, top, left + width, top + height)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        if draws.random() < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert np.array_equal(image, np.asarray(crop).transpose(2, 0, 1))


@pytest.mark.parametrize(("width", "height"), [(500, 375), (40, 90), (1, 1), (1000, 10), (10, 1000)])
def test_random_crops_lie_inside_and_keep_to_area_and_ratio(width, height):
    draws = random.Random(0)
    for _ in range(300):
        top, left, down, across = resized_crop_box(width, height, draws)
        assert 0 <= top <= height - down < height
        assert 0 <= left <= width - across < width
    if min(width, height) > 100:
        assert 0.07 < down * across / (width * height) <= 1
        assert 0.74 < across / down < 1.35


def test_the_fingerprint_follows_names_and_content(folder, tmp_path):
    write_images(tmp_path / "copy")
    write_images(tmp_path / "renamed")
    first = next((tmp_path / "renamed/train").rglob("*.JPEG"))
    first.rename(first.with_name("other.JPEG"))
    fingerprints = [data.fingerprint(config(place)) for place in (folder, tmp_path / "copy", tmp_path / "renamed")]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert len(fingerprints[0]) == 64


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("content", [b"", b"not an image", "half"])
def test_an_image_that_cannot_be_read_is_named_in_one_line(tmp_path, workers, content):
    write_images(tmp_path)
    path = tmp_path / "val/n00000001/val_1.JPEG"
    path.write_bytes(path.read_bytes()[:300] if content == "half" else content)
    assert refused(lambda: load(tmp_path, workers=workers)).startswith(f"cannot read the image {path}: ")


def test_grey_images_are_served_in_three_channels(tmp_path):
    write_images(tmp_path)
    path = tmp_path / "val/n00000000/val_0.JPEG"
    Image.open(path).convert("L").save(path)
    images, _ = next(iter(load(tmp_path).test.epoch(0)))
    assert images.shape == (4, 3, SIDE, SIDE)


def test_trees_that_are_not_laid_out_in_classes_are_refused(tmp_path):
    write_images(tmp_path / "no_val")
    (tmp_path / "no_val/val").rename(tmp_path / "no_val/test")
    assert f"{tmp_path / 'no_val/val'} is missing" in refused(lambda: load(tmp_path / "no_val"))

    write_images(tmp_path / "unequal")
    (tmp_path / "unequal/val/n00000001").rename(tmp_path / "unequal/val/n00000002")
    message = refused(lambda: load(tmp_path / "unequal"))
    assert "train and val need the same class folders, but n00000001 is only in train" in message

    write_images(tmp_path / "empty", train=0)
    assert "holds no image (.jpeg, .jpg, .png)" in refused(lambda: load(tmp_path / "empty"))


def test_a_tree_with_another_number_of_classes_is_refused(folder):
    act = [lambda: data.info(config(folder, classes=1000)), lambda: data.fingerprint(config(folder, classes=1000))]
    for each in act:
        assert "has 2 class folders where dataset.classes=1000" in refused(each)


def test_augmentations_of_small_images_are_refused(folder):
    assert "'crop_flip': allowed are imagenet, none" in refused(lambda: load(folder, augment="crop_flip"))
