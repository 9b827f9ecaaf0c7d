"""ImageNet, or any folder of images laid out like it: ``train/CLASS/*.JPEG`` and ``val/CLASS/*.JPEG``."""

from functools import lru_cache
from pathlib import Path

from harness.errors import UsageError
from harness.tasks.data.contents import ImageTree
from harness.tasks.data.files import listing
from harness.tasks.data.locate import Config, Layout
from harness.tasks.data.registry import register

LAYOUT = Layout(
    markers=("train",),
    remedy="lay out its images as train/CLASS/*.JPEG and val/CLASS/*.JPEG and pass dataset.root=DIR",
)
_PUBLISHED = {"train_examples": 1_281_167, "test_examples": 50_000}


@lru_cache(maxsize=4)
def _scan(folder: Path) -> ImageTree:
    """List a tree once in a process: a million files take seconds, and plan, hash and training all ask."""
    return listing.tree(folder)


@register("imagenet", layout=LAYOUT, published=_PUBLISHED)
def imagenet(config: Config) -> ImageTree:
    """List the images. ILSVRC's ``val`` folder is the test set; validation images are taken off ``train``."""
    tree = _scan(LAYOUT.find(config).absolute())
    if len(tree.classes) != config["classes"]:
        root = tree.train.folder.parent
        raise UsageError(f"{root} has {len(tree.classes)} class folders where dataset.classes={config['classes']}")
    return tree
