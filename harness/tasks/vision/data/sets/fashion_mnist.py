"""Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747) from its four IDX files."""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.errors import UsageError
from harness.tasks.vision.data.contents import Arrays
from harness.tasks.vision.data.locate import Config, Layout
from harness.tasks.vision.data.registry import register

_UNSIGNED_BYTE = 0x08


def _fetch(place: Path) -> None:
    from torchvision.datasets import FashionMNIST  # here: slow to import, seldom needed

    FashionMNIST(str(place), download=True)


LAYOUT = Layout(
    markers=("train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"),
    inner=("", "raw", "FashionMNIST/raw"),
    system=("/usr/share/datasets/fashion-mnist",),
    remedy="install Debian's package dataset-fashion-mnist or pass dataset.root=DIR or dataset.download=true",
    fetch=_fetch,
)


def read_idx(folder: Path, name: str, dimensions: int) -> np.ndarray:
    """Read an IDX file of bytes, gzipped or not.

    Args:
        folder: Where it lies.
        name: Its name without ``.gz``.
        dimensions: How many dimensions it must have.

    Returns:
        uint8 array of the shape that the file's header gives.

    Raises:
        UsageError: If the file is absent, cut short, or not such a file.
    """
    path = next((p for p in (folder / f"{name}.gz", folder / name) if p.exists()), None)
    if path is None:
        raise UsageError(f"{name}.gz is missing in {folder}")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]):
        raise UsageError(f"{path} is not an IDX file of bytes in {dimensions} dimensions")
    shape = np.frombuffer(content, dtype=">u4", count=dimensions, offset=4).tolist()
    if len(content) - start != prod(shape):
        wanted = "x".join(map(str, shape))
        raise UsageError(f"{path} is damaged: {len(content) - start} bytes of data where its header says {wanted}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _part(folder: Path, prefix: str) -> tuple[Tensor, Tensor]:
    images = read_idx(folder, f"{prefix}-images-idx3-ubyte", 3)
    labels = read_idx(folder, f"{prefix}-labels-idx1-ubyte", 1)
    if len(images) != len(labels):
        raise UsageError(f"{prefix} files in {folder} hold {len(images)} images but {len(labels)} labels")
    return torch.from_numpy(images.copy()).unsqueeze(-1), torch.from_numpy(labels.astype(np.int64))


@register("fashion_mnist", layout=LAYOUT)
def fashion_mnist(config: Config) -> Arrays:
    """Read the 60,000 training and 10,000 test images of 28x28 grey pixels."""
    folder = LAYOUT.find(config)
    return Arrays(*_part(folder, "train"), *_part(folder, "t10k"))
