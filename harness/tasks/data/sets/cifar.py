"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the Python pickles of their authors."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import register


def _fetch10(place: Path) -> None:
    from torchvision.datasets import CIFAR10  # here: slow to import, seldom needed

    CIFAR10(str(place), download=True)


def _fetch100(place: Path) -> None:
    from torchvision.datasets import CIFAR100  # here: slow to import, seldom needed

    CIFAR100(str(place), download=True)


_REMEDY = "unpack the 'python version' archive there, or pass dataset.root=DIR or dataset.download=true"
CIFAR10 = Layout(("data_batch_1",), _REMEDY, inner=("", "cifar-10-batches-py"), fetch=_fetch10)
CIFAR100 = Layout(("train",), _REMEDY, inner=("", "cifar-100-python"), fetch=_fetch100)


class _ArraysOnly(pickle.Unpickler):
    """Loads what CIFAR's pickles hold and nothing else: a pickle from elsewhere could run any code."""

    _ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _batch(path: Path, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one pickle: uint8 images [samples, 3072] in channel, row, column order, and int64 labels."""
    try:
        with path.open("rb") as file:
            content = _ArraysOnly(file, encoding="latin1").load()
        images = np.asarray(content["data"], dtype=np.uint8).reshape(-1, 3 * 32 * 32)
        labels = np.asarray(content[key], dtype=np.int64)
    except FileNotFoundError:
        raise UsageError(f"{path.name} is missing in {path.parent}") from None
    except Exception as error:  # a damaged pickle can raise anything, from EOFError to AttributeError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{path} is damaged or not a CIFAR file: {reason}") from error
    if len(images) != len(labels):
        raise UsageError(f"{path} is damaged: {len(images)} images but {len(labels)} labels")
    return images, labels


def _part(folder: Path, names: Sequence[str], key: str) -> tuple[Tensor, Tensor]:
    batches = [_batch(folder / name, key) for name in names]
    images = np.concatenate([images for images, _ in batches]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = np.concatenate([labels for _, labels in batches])
    return torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels)


@register("cifar10", layout=CIFAR10)
def cifar10(config: Config) -> Arrays:
    """Read the 50,000 training and 10,000 test images of 32x32 colour pixels in 10 classes."""
    folder = CIFAR10.find(config)
    train = [f"data_batch_{number}" for number in range(1, 6)]
    return Arrays(*_part(folder, train, "labels"), *_part(folder, ["test_batch"], "labels"))


@register("cifar100", layout=CIFAR100)
def cifar100(config: Config) -> Arrays:
    """Read CIFAR-100 with its 100 fine classes."""
    folder = CIFAR100.find(config)
    train = _part(folder, ["train"], "fine_labels")
    return Arrays(*train, *_part(folder, ["test"], "fine_labels"))
