"""Wide residual networks with pre-activation (Zagoruyko & Komodakis 2016, arXiv 1605.07146)."""

import torch
from torch import Tensor, nn

from harness.tasks.models.registry import Shape, kaiming, register, require_images, scaled


class _Block(nn.Module):
    """BN-ReLU-conv twice; where the size changes, a 1x1 convolution of the activated input as shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        # Very narrow stages may have equal channels and still halve the map.
        resized = inputs != outputs or stride != 1
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if resized else None

    def forward(self, images: Tensor) -> Tensor:
        active = torch.relu(self.bn1(images))
        hidden = self.conv2(torch.relu(self.bn2(self.conv1(active))))
        return hidden + (images if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """WRN-``depth``-``widen`` without dropout: three stages of 16, 32 and 64 times ``widen`` channels.

    ``depth`` is 6n + 4 for n blocks per stage. ``width`` multiplies all channels, those of the first convolution too.
    """

    def __init__(self, depth: int, widen: int, classes: int, shape: Shape, width: float = 1.0) -> None:
        super().__init__()
        blocks = (depth - 4) // 6
        first = scaled(16, width)
        widths = [scaled(channels * widen, width) for channels in (16, 32, 64)]
        self.conv1 = nn.Conv2d(shape[0], first, 3, padding=1, bias=False)
        self.layer1 = self._stage(first, widths[0], blocks, 1)
        self.layer2 = self._stage(widths[0], widths[1], blocks, 2)
        self.layer3 = self._stage(widths[1], widths[2], blocks, 2)
        self.bn = nn.BatchNorm2d(widths[2])
        self.classifier = nn.Linear(widths[2], classes)
        kaiming(self.modules())

    @staticmethod
    def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
        rest = [_Block(outputs, outputs, 1) for _ in range(blocks - 1)]
        return nn.Sequential(_Block(inputs, outputs, stride), *rest)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [batch, channels, height, width] to logits [batch, classes]."""
        hidden = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        return self.classifier(torch.relu(self.bn(hidden)).mean((2, 3)))


@register
def wrn_22_2(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """WRN-22-2: three blocks per stage, 32-64-128 channels."""
    require_images("wrn_22_2", shape)
    return WideResNet(22, 2, classes, shape, width)
