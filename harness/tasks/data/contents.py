"""What a data set holds once it is read: arrays in memory, or a tree of image files."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

CONTENT_BYTES = 256 * 2**20
"""An image folder of no more bytes is known by its content, a larger one by paths and sizes."""


@dataclass(frozen=True)
class Arrays:
    """A data set small enough for memory.

    Attributes:
        train_inputs: By the kind of the inputs (`harness.tasks.base.kind`): images, uint8 [samples, height, width,
            channels], 0 to 255, with channels last so that gathering pixels of a batch copies them together; values,
            float32 [samples, ...]; or tokens, integers of any type from 0, [samples, ...].
        train_targets: int64 [samples], the class of each sample, or what else the task compares outputs with: floats,
            or integers of any type, [samples, ...].
        test_inputs: As ``train_inputs``.
        test_targets: As ``train_targets``.
    """

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor

    def shape(self, kind: str) -> list[int]:
        """Return the shape of an input as a network takes it; of images, which channels are last of, they come first.

        Args:
            kind: See `harness.tasks.base.kind`.
        """
        shape = list(self.train_inputs.shape[1:])
        return [*shape[-1:], *shape[:-1]] if kind == "images" else shape

    def digest(self) -> str:
        """Return the sha256 of shapes and values: the same wherever and however the files are stored."""
        state = hashlib.sha256()
        for tensor in (self.train_inputs, self.train_targets, self.test_inputs, self.test_targets):
            state.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
            state.update(tensor.contiguous().numpy().data)
        return state.hexdigest()


@dataclass(frozen=True)
class ImageList:
    """Images of one folder ``train`` or ``val``.

    Attributes:
        folder: The folder.
        paths: File names relative to it, sorted, as one array of encoded strings: a Python list of a million
            strings would be copied into every loader process bit by bit as reference counts change.
        sizes: Bytes of each file, int64.
        labels: int64; the index of the class folder in sorted order.
    """

    folder: Path
    paths: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class ImageTree:
    """A data set of image files in class folders, read only when needed.

    Attributes:
        train: The training images, from which the validation split is taken.
        test: The test images.
        classes: Names of the class folders, sorted.
        skipped: How many files and folders were not listed, by what they are.
    """

    train: ImageList
    test: ImageList
    classes: tuple[str, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)

    def digest(self) -> str:
        """Return the sha256 of sorted relative paths, of sizes, and of a small folder's content.

        150 GB of content would take minutes: above `CONTENT_BYTES` in all, a file is known by path and size.

        Raises:
            OSError: A file cannot be read.
        """
        parts = (("test", self.test), ("train", self.train))
        small = sum(int(images.sizes.sum()) for _, images in parts) <= CONTENT_BYTES
        state = hashlib.sha256(b"content\n" if small else b"")
        for name, images in parts:
            for path, size in zip(images.paths.tolist(), images.sizes.tolist(), strict=True):
                state.update(b"%s/%s\0%d\n" % (name.encode(), path, size))
                if small:
                    with open(os.path.join(os.fsencode(images.folder), path), "rb") as file:
                        state.update(hashlib.file_digest(file, "sha256").digest())
        return state.hexdigest()


Contents = Arrays | ImageTree
