"""From bytes to network inputs."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from harness.errors import UsageError
from harness.tasks.vision.data.locate import Config


class Normalise:
    """Maps bytes to (value / 255 - mean) / std per channel, on whatever device the bytes are.

    Args:
        mean: Mean of each channel, on a scale of 0 to 1.
        std: Standard deviation of each channel, on the same scale.
        device: Where the bytes will be.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        # One multiplication and one addition a pixel: x / (255 std) - mean / std.
        deviation = torch.tensor(list(std), dtype=torch.float64)
        centre = torch.tensor(list(mean), dtype=torch.float64)
        self._scale = (1 / (255 * deviation)).float().view(1, -1, 1, 1).to(device)
        self._shift = (-centre / deviation).float().view(1, -1, 1, 1).to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 images of the shape [batch, channels, height, width] of the uint8 ``images``."""
        return images.float().mul_(self._scale).add_(self._shift)


def check_inputs(config: Config, *, decoded: bool) -> None:
    """Check shape and normalisation of a data set's inputs.

    Args:
        config: The resolved ``dataset`` group.
        decoded: Whether images are decoded from files, which always gives three channels.

    Raises:
        UsageError: They cannot be served so.
    """
    channels, height, width = config["shape"]
    if decoded and channels != 3:
        wanted = f"[3,{height},{width}]"
        raise UsageError(
            f"dataset.shape={list(config['shape'])}: image folders are served in 3 channels, grey ones repeated; "
            f"use dataset.shape={wanted}"
        )
    for field in ("mean", "std"):
        values = list(config[field])
        if len(values) != channels:
            raise UsageError(f"dataset.{field}={values}: one number for each of {channels} channels")
        if not all(math.isfinite(value) and 0 <= value <= 1 for value in values):
            raise UsageError(f"dataset.{field}={values}: allowed are numbers from 0 to 1, as of bytes divided by 255")
    if min(config["std"]) <= 0:
        raise UsageError(f"dataset.std={list(config['std'])}: allowed are numbers above 0")
