"""scikit-learn's digits: 1,797 real 8x8 images of handwritten digits that come inside its wheel."""

import numpy as np
import torch

from harness.seeds import derive
from harness.tasks.vision.data.contents import Arrays
from harness.tasks.vision.data.locate import Config
from harness.tasks.vision.data.order import hold_out
from harness.tasks.vision.data.registry import register


@register("digits")
def digits(config: Config) -> Arrays:
    """Read the digits; the set has no split of its own, so a stratified fifth, the same for every seed, is the test."""
    from sklearn.datasets import load_digits  # here: slow to import

    bundle = load_digits()
    # Grey levels are counts of 0 to 16 dark pixels; as bytes they share one scale with every other data set.
    images = torch.from_numpy(np.rint(bundle.images * (255 / 16)).astype(np.uint8)).unsqueeze(-1)
    labels = torch.from_numpy(bundle.target.astype(np.int64))
    train, test = hold_out(labels.numpy(), config["test_examples"], derive(0, "digits", "test"))
    return Arrays(images[train], labels[train], images[test], labels[test])
