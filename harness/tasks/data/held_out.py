"""Which samples of the training set are trained on, and which are held out for validation."""

import numpy as np
import torch

from harness.seeds import derive
from harness.tasks.data import checks
from harness.tasks.data.contents import Arrays, Contents
from harness.tasks.data.locate import Config
from harness.tasks.data.order import drawn, hold_out


def split(config: Config, contents: Contents, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the samples that are trained on, and of those held out, as the task says."""
    targets = contents.train_targets if isinstance(contents, Arrays) else torch.from_numpy(contents.train.labels)
    held, validation = config["val_examples"], checks.validation(config)
    if held == 0:
        checks.split(config, len(targets), None)
        return np.arange(len(targets)), np.arange(0)
    if validation == "stratified":
        labels = targets.numpy()
        checks.split(config, len(labels), np.bincount(labels))
        return hold_out(labels, held, derive(seed, "split"))
    checks.split(config, len(targets), None)
    order = np.arange(len(targets)) if validation == "last" else drawn(len(targets), derive(seed, "split"))
    return np.sort(order[:-held]), np.sort(order[-held:])
