"""Random images and labels of any size, for timing: nothing can be learned from them."""

import torch

from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config
from harness.tasks.data.order import generator
from harness.tasks.data.registry import register


@register("synthetic")
def synthetic(config: Config) -> Arrays:
    """Make as many images of that shape, in as many classes, as the config says; always the same ones."""
    channels, height, width = config["shape"]
    stream = generator(0, "synthetic")
    parts = []
    for count in (config["train_examples"], config["test_examples"]):
        parts.append(torch.randint(256, (count, height, width, channels), dtype=torch.uint8, generator=stream))
        # Dealt out in turn rather than drawn, so that every class is there whatever the count.
        parts.append(torch.arange(count) % config["classes"])
    return Arrays(*parts)
