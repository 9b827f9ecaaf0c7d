"""Small image folders as a data set: its config, what is served of it, and with which loaders."""

import pytest
import torch
from datasets import dataset_config

from harness.tasks import data

LOADERS = ["torchvision", pytest.param("dali", marks=pytest.mark.skipif(not data.DALI, reason="needs nvidia-dali"))]
PLAIN = {"mean": [0, 0, 0], "std": [1 / 255] * 3}


def config(folder, **changes):
    fields = {"root": str(folder), "shape": [3, 28, 28], "classes": 2, "val_examples": 4, **changes}
    return dataset_config("imagenet", **fields)


def load(folder, loader="auto", **changes):
    return data.load(config(folder, **changes), batch_size=5, seed=0, augment="imagenet", loader=loader)


def pictures(stream):
    """Return the images of one epoch as levels from 0 to 255, [samples, channels, height, width]."""
    return torch.cat([images for images, _ in stream.epoch(0)])
