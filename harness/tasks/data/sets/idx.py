"""MNIST's file format, IDX, and data sets of four such files: images and labels of a training and a test set."""

import gzip
import hashlib
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout

_UNSIGNED_BYTE = 0x08
_TEST_LABELS = {
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2": "mnist",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34": "fashion_mnist",
}
"""Published sets by the sha256 of their unpacked test labels: the names of their files do not tell them apart."""


def layout(folder: str, remedy: str, fetch: Callable[[Path], None], system: tuple[str, ...] = ()) -> Layout:
    """Return where the four files of a data set are.

    Args:
        folder: Name of the folder that torchvision downloads them to.
        remedy: See `Layout`.
        fetch: See `Layout`.
        system: See `Layout`.
    """
    markers = ("train-images-idx3-ubyte.gz", "train-images-idx3-ubyte")
    return Layout(markers, remedy, inner=("", "raw", f"{folder}/raw"), system=system, fetch=fetch)


def read(where: Layout, config: Config) -> Arrays:
    """Find and read the four files of a data set, gzipped or not.

    Raises:
        UsageError: They are absent, damaged, do not fit together, or are another published data set's.
    """
    folder = where.find(config)
    _refuse_another(folder, config["name"])
    return Arrays(*_part(folder, "train"), *_part(folder, "t10k"))


def _refuse_another(folder: Path, name: str) -> None:
    published = _TEST_LABELS.get(hashlib.sha256(_content(folder, "t10k-labels-idx1-ubyte")[1]).hexdigest(), name)
    if published != name:
        raise UsageError(f"the files in {folder} are those of {published}, not of {name}; pass dataset={published}")


def _part(folder: Path, prefix: str) -> tuple[Tensor, Tensor]:
    images = _array(folder, f"{prefix}-images-idx3-ubyte", 3)
    labels = _array(folder, f"{prefix}-labels-idx1-ubyte", 1)
    if len(images) != len(labels):
        raise UsageError(f"{prefix} files in {folder} hold {len(images)} images but {len(labels)} labels")
    return torch.from_numpy(images.copy()).unsqueeze(-1), torch.from_numpy(labels.astype(np.int64))


def _array(folder: Path, name: str, dimensions: int) -> np.ndarray:
    """Read an IDX file of bytes.

    Args:
        folder: Where it lies.
        name: Its name without ``.gz``.
        dimensions: How many dimensions it must have.

    Returns:
        uint8 array of the shape that the file's header gives.

    Raises:
        UsageError: If the file is absent, cut short, or not such a file.
    """
    path, content = _content(folder, name)
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]):
        raise UsageError(f"{path} is not an IDX file of bytes in {dimensions} dimensions")
    shape = np.frombuffer(content, dtype=">u4", count=dimensions, offset=4).tolist()
    if len(content) - start != prod(shape):
        wanted = "x".join(map(str, shape))
        raise UsageError(f"{path} is damaged: {len(content) - start} bytes of data where its header says {wanted}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _content(folder: Path, name: str) -> tuple[Path, bytes]:
    """Return the path and the unpacked bytes of a file that may be gzipped."""
    path = next((p for p in (folder / f"{name}.gz", folder / name) if p.exists()), None)
    if path is None:
        raise UsageError(f"{name}.gz is missing in {folder}")
    try:
        return path, gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
