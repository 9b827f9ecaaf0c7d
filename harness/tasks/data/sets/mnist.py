"""MNIST (LeCun et al. 1998, Gradient-based learning applied to document recognition) from its four IDX files."""

from pathlib import Path

from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config
from harness.tasks.data.registry import register
from harness.tasks.data.sets import idx


def _fetch(place: Path) -> None:
    from torchvision.datasets import MNIST  # here: slow to import, seldom needed

    MNIST(str(place), download=True)


LAYOUT = idx.layout(
    "MNIST", "put its four IDX files there, gzipped or not, or pass dataset.root=DIR or dataset.download=true", _fetch
)


@register("mnist", layout=LAYOUT)
def mnist(config: Config) -> Arrays:
    """Read the 60,000 training and 10,000 test images of 28x28 grey pixels."""
    return idx.read(LAYOUT, config)
