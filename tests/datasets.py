"""Data set configs as the YAMLs give them, and small data sets written in the formats of the real ones."""

import gzip
import pickle
import struct

import numpy as np
import pytest
import torch
import yaml

from harness.errors import UsageError
from harness.places import TREE
from harness.tasks.data.files import imagenet_shaped


def same(left, right):
    """Say whether two streams hold equal batches."""
    left, right = list(left), list(right)
    return len(left) == len(right) and all(
        torch.equal(a, b) for one, two in zip(left, right, strict=True) for a, b in zip(one, two, strict=True)
    )


def refused(act):
    """Return the one line with which a call refuses."""
    with pytest.raises(UsageError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def dataset_config(name, **changes):
    """Return the ``dataset`` group of that name, resolved, with changes."""
    config = yaml.safe_load((TREE / "dataset" / f"{name}.yaml").read_text())
    del config["defaults"]
    return {**config, **changes}


def write_idx(path, array):
    """Write uint8 values as IDX, gzipped if the name says so."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_fashion_mnist(folder, train=60, test=20, suffix=".gz"):
    """Write four IDX files; return the training images [train, 28, 28] and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(0)
    written = []
    for prefix, count in (("train", train), ("t10k", test)):
        images = draws.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count) % 10
        write_idx(folder / f"{prefix}-images-idx3-ubyte{suffix}", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte{suffix}", labels)
        written.append((images, labels))
    return written[0]


def write_pickle(path, images, **fields):
    """Write one CIFAR file from images [samples, 3, 32, 32], in the protocol of the published ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({"data": images.reshape(len(images), -1), **fields}, protocol=2))


def write_cifar10(folder, each=10):
    """Write five training batches and the test batch; return the training images [5 each, 3, 32, 32]."""
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (6, each, 3, 32, 32), dtype=np.uint8)
    labels = [number % 10 for number in range(each)]
    for number in range(5):
        write_pickle(folder / f"data_batch_{number + 1}", images[number], labels=labels)
    write_pickle(folder / "test_batch", images[5], labels=labels)
    return images[:5].reshape(-1, 3, 32, 32)


def write_images(folder, classes=2, train=8, test=3):
    """Write an ImageNet-like tree of small JPEGs of different sizes, a grey one and one in CMYK among them."""
    imagenet_shaped.write(folder, classes=classes, train=train, val=test, longer_side=80)
