"""Data sets on disk: where they are looked for, what their files must be, and one clear line when they are not."""

import gzip
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
import yaml
from datasets import dataset_config, write_cifar10, write_fashion_mnist, write_idx, write_pickle

from harness.errors import UsageError
from harness.places import TREE
from harness.tasks import data

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SMALL_FASHION = {"train_examples": 60, "val_examples": 10, "test_examples": 20}
SMALL_CIFAR = {"train_examples": 50, "val_examples": 10, "test_examples": 10}
RAW = {"mean": [0.0], "std": [1 / 255]}
"""A normalisation that leaves bytes as they are."""


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Keep tests from finding data that a person has."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SPARSEBENCH_DATA", raising=False)


def fashion(**changes):
    return dataset_config("fashion_mnist", **{**SMALL_FASHION, **changes})


def cifar(**changes):
    return dataset_config("cifar10", **{**SMALL_CIFAR, **changes})


def refused(config):
    """Return the one line that loading is refused with."""
    with pytest.raises(UsageError) as caught:
        data.load(config, batch_size=10, seed=0)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_data_set_has_a_yaml_and_every_yaml_a_data_set():
    names = {path.stem: yaml.safe_load(path.read_text())["name"] for path in (TREE / "dataset").glob("*.yaml")}
    assert names == {name: name for name in data.DATASETS}


@pytest.mark.parametrize("inner", ["", "raw", "FashionMNIST/raw"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_fashion_mnist_is_read_gzipped_or_not_from_debian_s_layout_and_torchvision_s(tmp_path, inner, suffix):
    images, labels = write_fashion_mnist(tmp_path / inner, suffix=suffix)
    parts = data.load(fashion(root=str(tmp_path), **RAW), batch_size=100, seed=0)
    assert (parts.train.samples, parts.val.samples, parts.test.samples) == (50, 10, 20)
    seen = [next(iter(split.epoch(0))) for split in (parts.train, parts.val)]
    found = {
        (int(label), image.round().byte().numpy().tobytes())
        for batch in seen
        for image, label in zip(*batch, strict=True)
    }
    assert found == {(int(label), image.tobytes()) for image, label in zip(images, labels, strict=True)}


def test_the_fingerprint_is_of_the_content_not_of_how_it_is_stored(tmp_path):
    write_fashion_mnist(tmp_path / "plain", suffix="")
    write_fashion_mnist(tmp_path / "zipped", suffix=".gz")
    write_fashion_mnist(tmp_path / "other", train=61)
    plain, zipped, other = (
        data.fingerprint(fashion(root=str(tmp_path / name), train_examples=61 if name == "other" else 60))
        for name in ("plain", "zipped", "other")
    )
    assert len(plain) == 64
    assert plain == zipped != other


def test_torchvision_reads_the_same_images_from_the_same_files(tmp_path):
    images, labels = write_fashion_mnist(tmp_path / "FashionMNIST/raw", suffix="")
    theirs = torchvision.datasets.FashionMNIST(str(tmp_path))
    assert np.array_equal(theirs.data.numpy(), images)
    assert theirs.targets.tolist() == labels.tolist()


def test_data_are_found_by_the_environment_then_in_the_cache(tmp_path, monkeypatch):
    write_cifar10(tmp_path / "home/.cache/sparsebench/cifar10")
    assert data.directory(cifar()) == tmp_path / "home/.cache/sparsebench/cifar10"
    write_cifar10(tmp_path / "shared/cifar10/cifar-10-batches-py")
    monkeypatch.setenv("SPARSEBENCH_DATA", str(tmp_path / "shared"))
    assert data.directory(cifar()) == tmp_path / "shared/cifar10/cifar-10-batches-py"


def test_missing_data_are_named_with_the_places_looked_at_and_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEBENCH_DATA", str(tmp_path / "shared"))
    message = refused(cifar())
    assert message.startswith("data set 'cifar10' is missing: looked for data_batch_1 in ")
    assert str(tmp_path / "shared/cifar10") in message
    assert str(tmp_path / "home/.cache/sparsebench/cifar10") in message
    assert "dataset.root=DIR" in message


def test_data_that_appear_later_are_fingerprinted_then(tmp_path):
    config = cifar(root=str(tmp_path / "later"))
    assert data.fingerprint(config) == "absent"
    assert data.directory(config) is None
    write_cifar10(tmp_path / "later")
    assert len(data.fingerprint(config)) == 64


def test_counts_are_known_without_the_data():
    assert data.info(dataset_config("cifar100")) == data.Info(45_000, 5_000, 10_000)
    assert data.info(dataset_config("imagenet")) == data.Info(1_271_167, 10_000, 50_000)
    assert data.fingerprint(dataset_config("cifar100")) == "absent"


def test_a_root_that_is_not_there_is_missing_and_nothing_else_is_taken_instead(tmp_path):
    write_cifar10(tmp_path / "home/.cache/sparsebench/cifar10")
    assert f"looked for data_batch_1 in {tmp_path / 'typo'};" in refused(cifar(root=str(tmp_path / "typo")))


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion_mnist", "imagenet"])
def test_a_root_that_is_another_folder_is_refused(tmp_path, name):
    (tmp_path / "notes.txt").write_text("nothing here")
    assert f"dataset.root={tmp_path} is a folder without" in refused(dataset_config(name, root=str(tmp_path)))
    file = tmp_path / "notes.txt"
    assert f"dataset.root={file} is a file without" in refused(dataset_config(name, root=str(file)))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


def overwrite(path):
    path.write_bytes(b"<html>404 not found</html>" * 20)


@pytest.mark.parametrize("damage", [truncate, overwrite, Path.unlink])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
def test_a_damaged_idx_file_is_named(tmp_path, name, suffix, damage):
    write_fashion_mnist(tmp_path, suffix=suffix)
    damage(tmp_path / f"{name}{suffix}")
    message = refused(fashion(root=str(tmp_path)))
    assert name in message
    assert str(tmp_path) in message


def test_idx_files_that_do_not_fit_together_are_refused(tmp_path):
    write_fashion_mnist(tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.zeros(59))
    assert "60 images but 59 labels" in refused(fashion(root=str(tmp_path)))
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.full(60, 10))
    assert "dataset.classes=10, but the training labels of fashion_mnist go" in refused(fashion(root=str(tmp_path)))


def test_an_idx_header_with_negative_sizes_is_refused(tmp_path):
    write_fashion_mnist(tmp_path)
    header = bytes([0, 0, 8, 3]) + struct.pack(">3i", -1, -28, 28)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + bytes(784)))
    assert "damaged" in refused(fashion(root=str(tmp_path)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_examples": 59}, "dataset.train_examples=59, but the fashion_mnist found here has 60"),
        ({"test_examples": 21}, "dataset.test_examples=21, but the fashion_mnist found here has 20"),
        ({"shape": [1, 32, 32]}, r"dataset.shape=[1, 32, 32], but the fashion_mnist found here has [1, 28, 28]"),
        ({"mean": [0.5, 0.5]}, "dataset.mean=[0.5, 0.5]: one number for each of 1 channels"),
        ({"std": [0.0]}, "dataset.std=[0.0]: allowed are numbers above 0"),
    ],
)
def test_data_that_are_not_what_the_config_says_are_refused(tmp_path, changes, message):
    write_fashion_mnist(tmp_path)
    assert refused(fashion(root=str(tmp_path), **changes)) == message


def test_cifar10_keeps_channels_rows_and_columns_apart(tmp_path):
    images = write_cifar10(tmp_path)
    config = cifar(root=str(tmp_path), mean=[0, 0, 0], std=[1 / 255] * 3)
    parts = data.load(config, batch_size=100, seed=0)
    (train, _), (val, _) = next(iter(parts.train.epoch(0))), next(iter(parts.val.epoch(0)))
    found = {image.round().byte().contiguous().numpy().tobytes() for image in torch.cat([train, val])}
    assert found == {image.tobytes() for image in images}


def test_cifar100_is_read_with_its_fine_classes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (200, 3, 32, 32), dtype=np.uint8)
    for name, chosen in (("train", images), ("test", images[:20])):
        labels = [99 - number % 100 for number in range(len(chosen))]
        path = tmp_path / "cifar-100-python" / name
        write_pickle(path, chosen, fine_labels=labels, coarse_labels=[0] * len(chosen))
    config = dataset_config("cifar100", root=str(tmp_path), train_examples=200, val_examples=10, test_examples=20)
    _, labels = next(iter(data.load(config, batch_size=100, seed=0).test.epoch(0)))
    assert labels.tolist() == list(range(99, 79, -1))


@pytest.mark.parametrize("damage", [truncate, overwrite, Path.unlink])
def test_a_damaged_cifar_file_is_named(tmp_path, damage):
    write_cifar10(tmp_path)
    damage(tmp_path / "data_batch_3")
    message = refused(cifar(root=str(tmp_path)))
    assert "data_batch_3" in message
    assert str(tmp_path) in message


def test_a_cifar_file_that_would_run_code_is_refused(tmp_path):
    write_cifar10(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": shutil.rmtree, "labels": []}))
    assert "it refers to shutil.rmtree" in refused(cifar(root=str(tmp_path)))


def test_a_cifar_label_beyond_the_classes_is_refused(tmp_path):
    write_cifar10(tmp_path)
    found = "dataset.classes=5, but the training labels of cifar10 go from 0 to 9"
    assert refused(cifar(root=str(tmp_path), classes=5)) == found


def test_digits_are_the_real_ones_with_a_fixed_stratified_test_set():
    config = dataset_config("digits")
    parts = data.load(config, batch_size=2000, seed=0)
    assert (parts.train.samples, parts.val.samples, parts.test.samples) == (1293, 144, 360)
    _, labels = next(iter(parts.test.epoch(0)))
    assert labels.bincount().tolist() == [36, 36, 36, 36, 37, 36, 36, 36, 35, 36]
    assert data.directory(config) is None
    assert len(data.fingerprint(config)) == 64


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_fashion_mnist_is_the_real_one_where_debian_installs_it():
    config = dataset_config("fashion_mnist")
    assert data.directory(config) == DEBIAN
    parts = data.load(config, batch_size=1000, seed=0, eval_batch_size=5000)
    assert data.info(config) == data.Info(parts.train.samples, parts.val.samples, parts.test.samples)
    images, labels = next(iter(parts.val.epoch(0)))
    assert labels.bincount().tolist() == [500] * 10
    assert images.mean().abs() < 0.02
    assert images.std() == pytest.approx(1, abs=0.02)


def test_synthetic_data_are_of_any_size_and_always_the_same():
    config = dataset_config("synthetic", shape=[4, 5, 6], classes=3, train_examples=30, val_examples=3)
    config |= {"mean": [0.5] * 4, "std": [0.25] * 4}
    images, labels = next(iter(data.load(config, batch_size=8, seed=0).train.epoch(0)))
    assert images.shape == (8, 4, 5, 6)
    assert labels.max() < 3
    assert data.fingerprint(config) == data.fingerprint({**config, "val_examples": 5})


def test_a_download_that_fails_is_one_line_and_only_tried_when_asked_for(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("SPARSEBENCH_DATA", str(blocked))
    config = cifar(download=True)
    assert data.fingerprint(config) == "absent"
    assert data.info(config) == data.Info(40, 10, 10)
    assert refused(config).startswith(f"cannot download cifar10 to {blocked / 'cifar10'}: ")
    with pytest.raises(UsageError, match="cannot download"):
        data.fetch(config)
