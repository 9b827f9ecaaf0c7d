"""What a run is fed: splits, order and augmentation depend on the seed, the epoch and the sample, on nothing else."""

import numpy as np
import pytest
import torch
from datasets import dataset_config, same, write_cifar10

from harness.errors import UsageError
from harness.seeds import derive
from harness.tasks import data
from harness.tasks.data.memory import arrays
from harness.tasks.data.memory.augment import CropFlip
from harness.tasks.data.order import hold_out, shuffled

DIGITS = dataset_config("digits")


def digits(seed=0, **changes):
    return data.load(DIGITS, **{"batch_size": 100, "seed": seed, "augment": "crop", **changes})


def pictures(batches):
    """Return every image of one epoch as bytes."""
    return [image.numpy().tobytes() for images, _ in batches.epoch(0) for image in images]


def test_an_epoch_visits_every_sample_once_and_its_last_batch_is_smaller():
    split = digits(augment="none").train
    sizes = [len(labels) for _, labels in split.epoch(0)]
    assert (split.samples, split.batch_size, split.steps_per_epoch) == (1293, 100, 13)
    assert sizes == [100] * 12 + [93]
    assert sorted(pictures(split)) == sorted(
        image for images, _ in split.epoch(1) for image in (row.numpy().tobytes() for row in images)
    )


def test_labels_beyond_the_classes_are_refused_before_training_whatever_the_data_set():
    few = dataset_config("digits", classes=2)
    for read in (lambda: data.load(few, batch_size=100, seed=0), lambda: data.fingerprint(few)):
        with pytest.raises(UsageError, match=r"dataset\.classes=2, but the training labels of digits go from 0 to 9"):
            read()


def test_batches_are_normalised_floats_and_integer_labels():
    images, labels = next(iter(digits(augment="none").train.epoch(0)))
    assert (images.shape, images.dtype) == ((100, 1, 8, 8), torch.float32)
    assert (labels.shape, labels.dtype) == ((100,), torch.int64)
    every = torch.cat([images for images, _ in digits(augment="none").train.epoch(0)])
    assert every.mean().abs() < 0.02
    assert every.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("shape", [[1, 28, 28], [3, 32, 32]])
def test_inputs_normalised_beforehand_are_those_of_each_batch_in_value_and_layout(monkeypatch, shape):
    channels = {"mean": [0.286, 0.4, 0.5][: shape[0]], "std": [0.353, 0.2, 0.3][: shape[0]]}
    config = dataset_config("synthetic", shape=shape, train_examples=300, val_examples=50, test_examples=70, **channels)
    held = data.load(config, batch_size=64, seed=3)
    monkeypatch.setattr(arrays, "NORMALISED_BYTES", 0)
    batchwise = data.load(config, batch_size=64, seed=3)
    for ours, theirs in ((held.train, batchwise.train), (held.val, batchwise.val), (held.test, batchwise.test)):
        for (images, labels), (expected, classes) in zip(ours.epoch(1), theirs.epoch(1), strict=True):
            assert torch.equal(images, expected)
            assert images.stride() == expected.stride()
            assert torch.equal(labels, classes)


def test_parts_are_disjoint_and_together_the_whole_set():
    # Random pictures, since two of the real digits are alike to the pixel.
    config = dataset_config("synthetic", train_examples=300, val_examples=50, test_examples=70)
    parts = data.load(config, batch_size=64, seed=3)
    found = [set(pictures(split)) for split in (parts.train, parts.val, parts.test)]
    assert [len(part) for part in found] == [250, 50, 70]
    assert len(set.union(*found)) == 370


def test_another_seed_holds_out_other_validation_images_but_tests_on_the_same():
    first, second = digits(seed=0), digits(seed=1)
    assert not same(first.val.epoch(0), second.val.epoch(0))
    assert same(first.test.epoch(0), second.test.epoch(0))


def test_held_out_samples_have_the_classes_of_the_whole_and_the_exact_count():
    labels = np.repeat(np.arange(4), [400, 300, 200, 101])
    kept, held = hold_out(labels, 100, seed=7)
    assert sorted([*kept, *held]) == list(range(1001))
    assert np.bincount(labels[held]).tolist() == [40, 30, 20, 10]


@pytest.mark.parametrize("count", [1, 7, 500, 963])
def test_held_out_counts_are_exact_also_where_shares_are_not_whole(count):
    labels = np.random.default_rng(0).integers(0, 37, 1000)
    kept, held = hold_out(labels, count, seed=0)
    assert (len(kept), len(held)) == (1000 - count, count)


@pytest.mark.parametrize("count", [-1, 1437, 5000])
def test_a_validation_split_that_leaves_nothing_is_refused(count):
    config = {**DIGITS, "val_examples": count}
    for act in (lambda: data.info(config), lambda: data.load(config, batch_size=10, seed=0)):
        with pytest.raises(UsageError, match=rf"dataset.val_examples={count}: allowed are 0 to 1436"):
            act()


def test_order_and_augmentation_change_with_epoch_and_seed_and_come_again():
    split = digits().train
    assert same(split.epoch(4), digits().train.epoch(4))
    assert not same(split.epoch(4), split.epoch(5))
    assert not same(split.epoch(4), digits(seed=1).train.epoch(4))


def test_evaluation_keeps_its_order_and_is_not_augmented():
    plain, augmented = digits(augment="none"), digits(augment="crop")
    assert same(plain.val.epoch(0), augmented.val.epoch(3))
    assert same(plain.test.epoch(0), augmented.test.epoch(3))


@pytest.mark.parametrize("start", [0, 1, 12, 13])
def test_an_epoch_entered_in_the_middle_goes_on_with_the_same_batches(start):
    split = digits().train
    assert same(list(split.epoch(2))[start:], split.epoch(2, start=start))


def test_batches_do_not_depend_on_the_global_generator_nor_disturb_it():
    torch.manual_seed(1)
    first = list(digits().train.epoch(0))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert same(first, digits().train.epoch(0))
    assert torch.equal(torch.get_rng_state(), state)


def reference_crop(image, pad, top, left, mirrored):
    """Crop one image [channels, height, width] the plain way."""
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    crop = padded[:, top : top + image.shape[1], left : left + image.shape[2]]
    return crop[:, :, ::-1] if mirrored else crop


def test_batched_crops_and_flips_match_those_of_single_images(tmp_path):
    images = write_cifar10(tmp_path / "cifar-10-batches-py")
    config = dataset_config("cifar10", root=str(tmp_path), train_examples=50, val_examples=5, test_examples=10)
    config |= {"mean": [0, 0, 0], "std": [1, 1, 1]}
    seed, epoch = 9, 2
    split = data.load(config, batch_size=8, seed=seed, augment="crop_flip").train
    found = torch.cat([batch for batch, _ in split.epoch(epoch)]).mul(255).round().byte().numpy()

    labels = np.arange(50) % 10
    kept, _ = hold_out(labels, 5, derive(seed, "split"))
    draws = CropFlip(4, flip=True).draw(45, seed, epoch)
    order = shuffled(45, seed, epoch).tolist()
    expected = [reference_crop(images[kept[sample]], 4, *draws[sample].tolist()) for sample in order]
    assert np.array_equal(found, np.stack(expected))


def test_draws_cover_every_place_of_the_crop_and_mirror_half():
    draws = CropFlip(4, flip=True).draw(20_000, 0, 0)
    assert np.bincount(draws[:, 0]).min() > 2000
    assert np.bincount(draws[:, 1]).min() > 2000
    assert len(np.bincount(draws[:, 1])) == 9
    assert draws[:, 2].double().mean() == pytest.approx(0.5, abs=0.02)


def test_crop_alone_never_mirrors():
    assert CropFlip(1, flip=False).draw(1000, 0, 0)[:, 2].sum() == 0


def test_an_unknown_augmentation_is_refused_with_those_that_fit():
    with pytest.raises(UsageError, match="'cropflip': allowed are crop, crop_flip, none; did you mean 'crop_flip'"):
        digits(augment="cropflip")
    with pytest.raises(UsageError, match="'imagenet': allowed are crop, crop_flip, none"):
        digits(augment="imagenet")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "recipe.batch_size=0: allowed are 1 and more"),
        ({"workers": -1}, "workers=-1: allowed are 0 and more"),
    ],
)
def test_sizes_below_the_least_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        digits(**changes)


def test_an_unknown_data_set_is_refused_with_the_nearest_name():
    for act in (data.info, data.fingerprint, data.directory):
        with pytest.raises(UsageError, match=r"unknown dataset 'digit'.*did you mean 'digits'"):
            act({**DIGITS, "name": "digit"})


@pytest.mark.cuda
def test_batches_are_the_same_on_the_gpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for (images, labels), (there, labels_there) in zip(
        digits().train.epoch(3), digits(device="cuda").train.epoch(3), strict=True
    ):
        assert there.device.type == "cuda"
        assert torch.allclose(images, there.cpu(), atol=1e-6)
        assert torch.equal(labels, labels_there.cpu())
