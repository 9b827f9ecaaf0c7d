"""Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747) from its four IDX files."""

from pathlib import Path

from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config
from harness.tasks.data.registry import register
from harness.tasks.data.sets import idx


def _fetch(place: Path) -> None:
    from torchvision.datasets import FashionMNIST  # here: slow to import, seldom needed

    FashionMNIST(str(place), download=True)


LAYOUT = idx.layout(
    "FashionMNIST",
    "install Debian's package dataset-fashion-mnist or pass dataset.root=DIR or dataset.download=true",
    _fetch,
    system=("/usr/share/datasets/fashion-mnist",),
)


@register("fashion_mnist", layout=LAYOUT)
def fashion_mnist(config: Config) -> Arrays:
    """Read the 60,000 training and 10,000 test images of 28x28 grey pixels."""
    return idx.read(LAYOUT, config)
