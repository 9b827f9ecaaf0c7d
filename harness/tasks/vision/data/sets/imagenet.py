"""ImageNet, or any folder of images laid out like it: ``train/CLASS/*.JPEG`` and ``val/CLASS/*.JPEG``."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.errors import UsageError
from harness.tasks.vision.data.contents import ImageList, ImageTree
from harness.tasks.vision.data.locate import Config, Layout
from harness.tasks.vision.data.registry import register

_SUFFIXES = (".jpeg", ".jpg", ".png")

LAYOUT = Layout(
    markers=("train",),
    remedy="lay out its images as train/CLASS/*.JPEG and val/CLASS/*.JPEG and pass dataset.root=DIR",
)


def _images_below(folder: str) -> Iterator[tuple[str, int]]:
    """Yield path and size in bytes of every image below a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _images_below(entry.path)
            elif entry.name.lower().endswith(_SUFFIXES):
                yield entry.path, entry.stat().st_size


def _classes(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is missing: images are expected in {folder}/CLASS/*.JPEG")
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())


def _list(folder: Path, classes: list[str]) -> ImageList:
    paths: list[bytes] = []
    sizes: list[int] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(_images_below(str(folder / name)))
        if not found:
            raise UsageError(f"{folder / name} holds no image ({', '.join(_SUFFIXES)})")
        paths += [os.fsencode(os.path.relpath(path, folder)) for path, _ in found]
        sizes += [size for _, size in found]
        labels += [label] * len(found)
    return ImageList(folder, np.array(paths), np.array(sizes, dtype=np.int64), np.array(labels, dtype=np.int64))


@lru_cache(maxsize=4)
def _scan(folder: Path) -> ImageTree:
    """List a tree once in a process: a million files take seconds, and plan, hash and training all ask."""
    try:
        classes, tested = _classes(folder / "train"), _classes(folder / "val")
        if classes != tested:
            only = sorted(set(classes) ^ set(tested))[0]
            where = "train" if only in classes else "val"
            raise UsageError(f"{folder}: train and val need the same class folders, but {only} is only in {where}")
        return ImageTree(_list(folder / "train", classes), _list(folder / "val", classes), tuple(classes))
    except OSError as error:
        raise UsageError(f"cannot list the images in {folder}: {error}") from error


@register("imagenet", layout=LAYOUT, counted=True)
def imagenet(config: Config) -> ImageTree:
    """List the images. ILSVRC's ``val`` folder is the test set; validation images are taken off ``train``."""
    tree = _scan(LAYOUT.find(config).absolute())
    if len(tree.classes) != config["classes"]:
        root = tree.train.folder.parent
        raise UsageError(f"{root} has {len(tree.classes)} class folders where dataset.classes={config['classes']}")
    return tree
