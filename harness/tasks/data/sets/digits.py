"""scikit-learn's digits: 1,797 real 8x8 images of handwritten digits that come inside its wheel."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from harness.errors import UsageError
from harness.seeds import derive
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config
from harness.tasks.data.order import hold_out
from harness.tasks.data.registry import register

_TEST = 360


@register("digits")
def digits(config: Config) -> Arrays:
    """Read the digits; the set has no split of its own, so a stratified fifth, the same for every seed, is the test.

    Raises:
        UsageError: scikit-learn is not installed, or its wheel no longer holds the digits.
    """
    table = torch.from_numpy(np.loadtxt(_file(), delimiter=",", dtype=np.uint8))  # a row an image: 64 pixels, its label
    # Grey levels are counts of 0 to 16 dark pixels; as bytes they share one scale with every other data set.
    images = (table[:, :-1] * (255 / 16)).round().to(torch.uint8).reshape(-1, 8, 8, 1)
    labels = table[:, -1].long()
    count = _TEST if config.get("test_subset") else config["test_examples"]  # of which a subset is taken
    train, test = hold_out(labels.numpy(), count, derive(0, "digits", "test"))
    return Arrays(images[train], labels[train], images[test], labels[test])


def _file() -> Path:
    """Find the file that `sklearn.datasets.load_digits` reads, in milliseconds: importing scikit-learn takes a second.

    Raises:
        UsageError: It is not there.
    """
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise UsageError("dataset=digits: needs scikit-learn, which is not installed: pip install scikit-learn")
    file = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not file.is_file():
        raise UsageError(f"dataset=digits: {file} is missing; install scikit-learn again")
    return file
