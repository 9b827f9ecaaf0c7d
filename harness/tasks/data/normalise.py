"""From bytes to network inputs."""

from collections.abc import Sequence

import torch
from torch import Tensor


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

    def undone(self, inputs: Tensor) -> Tensor:
        """Return the bytes, uint8, that float32 ``inputs`` of the same shape were made of."""
        return inputs.sub(self._shift).div_(self._scale).round_().clamp_(0, 255).to(torch.uint8)
