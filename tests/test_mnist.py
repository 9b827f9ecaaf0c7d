"""MNIST, from four files in a folder: the real digits of scikit-learn in MNIST's format, and MNIST where it is."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torchvision
from datasets import dataset_config, write_idx
from runs import record, small

from harness.cli import main as cli
from harness.errors import UsageError
from harness.tasks import data
from harness.tasks.data.sets import idx
from harness.tasks.data.sets.digits import digits

CONFIG = dataset_config("mnist")
REAL = data.directory(CONFIG)
needs_mnist = pytest.mark.skipif(REAL is None, reason="needs MNIST's files in SPARSEBENCH_DATA/mnist or the cache")
FASHION = Path("/usr/share/datasets/fashion-mnist")
SMALL = {"shape": [1, 8, 8], "train_examples": 1437, "val_examples": 144, "test_examples": 360}


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Keep tests from finding data that a person has."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SPARSEBENCH_DATA", raising=False)


def write(folder, suffix=".gz"):
    """Write scikit-learn's digits as MNIST's files; return them."""
    folder.mkdir(parents=True)
    arrays = digits(dataset_config("digits"))
    parts = (("train", arrays.train_inputs, arrays.train_targets), ("t10k", arrays.test_inputs, arrays.test_targets))
    for name, images, labels in parts:
        write_idx(folder / f"{name}-images-idx3-ubyte{suffix}", images.squeeze(-1).numpy())
        write_idx(folder / f"{name}-labels-idx1-ubyte{suffix}", labels.numpy())
    return arrays


def config(folder=None, **changes):
    return dataset_config("mnist", root=folder and str(folder), **{**SMALL, **changes})


def refused(given):
    with pytest.raises(UsageError) as caught:
        data.load(given, batch_size=10, seed=0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("inner", ["", "raw", "MNIST/raw"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_are_found_in_a_folder_or_where_torchvision_puts_them_gzipped_or_not(tmp_path, inner, suffix):
    written = write(tmp_path / "mnist" / inner, suffix)
    found = config(tmp_path / "mnist")
    assert data.fingerprint(found) == written.digest() == data.fingerprint(dataset_config("digits"))
    assert data.info(found) == data.Info(1293, 144, 360)


def test_torchvision_reads_the_same_images_from_the_same_files(tmp_path):
    written = write(tmp_path / "MNIST/raw", "")
    theirs = torchvision.datasets.MNIST(str(tmp_path), train=False)
    assert np.array_equal(theirs.data.numpy(), written.test_inputs.squeeze(-1).numpy())
    assert theirs.targets.tolist() == written.test_targets.tolist()


def test_the_usual_places_are_looked_in_and_named(tmp_path, monkeypatch):
    message = refused(config())
    assert message.startswith("data set 'mnist' is missing: looked for train-images-idx3-ubyte.gz in ")
    assert "dataset.root=DIR" in message
    write(tmp_path / "home/.cache/sparsebench/mnist")
    assert data.directory(config()) == tmp_path / "home/.cache/sparsebench/mnist"
    write(tmp_path / "shared/mnist")
    monkeypatch.setenv("SPARSEBENCH_DATA", str(tmp_path / "shared"))
    assert data.directory(config()) == tmp_path / "shared/mnist"


def test_torchvision_downloads_only_where_that_is_allowed(tmp_path, monkeypatch):
    asked = []

    def download(root, download):  # stands for the network
        asked.append(download)
        write(Path(root) / "MNIST/raw", "")

    monkeypatch.setattr(torchvision.datasets, "MNIST", download)
    assert "is missing" in refused(config())
    assert asked == []
    assert data.fetch(config(download=True)) == tmp_path / "home/.cache/sparsebench/mnist/MNIST/raw"
    assert asked == [True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_examples": 60_000}, "dataset.train_examples=60000, but the mnist found here has 1437"),
        ({"test_examples": 10_000}, "dataset.test_examples=10000, but the mnist found here has 360"),
        ({"shape": [1, 28, 28]}, "dataset.shape=[1, 28, 28], but the mnist found here has [1, 8, 8]"),
        ({"classes": 26}, "dataset.classes=26, but the training labels of mnist go from 0 to 9"),
    ],
)
def test_files_that_are_not_what_the_settings_say_are_refused(tmp_path, changes, message):
    write(tmp_path / "mnist")
    assert refused(config(tmp_path / "mnist", **changes)) == message


def test_a_data_set_whose_files_have_the_same_names_is_not_taken_for_it(tmp_path, monkeypatch):
    labels = write(tmp_path / "mnist", "").test_targets.numpy().astype(np.uint8)
    file = (tmp_path / "mnist/t10k-labels-idx1-ubyte").read_bytes()
    assert file.endswith(labels.tobytes())
    monkeypatch.setitem(idx._TEST_LABELS, hashlib.sha256(file).hexdigest(), "fashion_mnist")
    told = refused(config(tmp_path / "mnist"))
    assert told.endswith("are those of fashion_mnist, not of mnist; pass dataset=fashion_mnist")


@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_fashion_mnist_is_not_taken_for_mnist():
    told = refused(dataset_config("mnist", root=str(FASHION)))
    assert told == f"the files in {FASHION} are those of fashion_mnist, not of mnist; pass dataset=fashion_mnist"


def test_doctor_data_shows_it(capsys, tmp_path):
    write(tmp_path / "mnist")
    settings = [f"dataset.{name}={str(value).replace(' ', '')}" for name, value in SMALL.items()]
    given = cli.parse(["doctor", "data", "dataset=mnist", f"dataset.root={tmp_path / 'mnist'}", *settings, "--json"])
    assert given.call(given) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["folder"] == str(tmp_path / "mnist")
    assert report["fingerprint"] == data.fingerprint(dataset_config("digits"))
    assert report["measured"] == {"mean": [0.3058], "std": [0.3763]}


def test_a_run_trains_on_it_and_its_record_names_the_data(tmp_path):
    write(tmp_path / "mnist")
    run = small("rigl", "steps:2", dataset=config(tmp_path / "mnist"), evaluations=1)
    made = record(run, tmp_path)
    assert (made["status"], made["dataset"]) == ("done", "mnist")


@needs_mnist
def test_mnist_is_the_published_one():
    real = dataset_config("mnist", root=str(REAL))
    assert data.fingerprint(real) == "d1ea9d350c61c93f9e35ac19f04ade34053410f87cc396ddca721150e4ce4bac"
    parts = data.load(real, batch_size=1000, seed=0, eval_batch_size=6000)
    assert data.info(real) == data.Info(54_000, 6_000, 10_000)
    assert (parts.train.samples, parts.val.samples, parts.test.samples) == (54_000, 6_000, 10_000)
    images, _ = next(iter(parts.val.epoch(0)))
    assert images.mean().abs() < 0.02
    assert images.std() == pytest.approx(1, abs=0.02)
