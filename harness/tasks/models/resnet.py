"""Residual networks with post-activation (He et al. 2015, arXiv 1512.03385)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.tasks.models.registry import Shape, kaiming, register, require_images, scaled

_STAGES = (64, 128, 256, 512)
"""Channels inside the bottlenecks of ResNet-50, by stage."""


def _conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (option A: subsample, pad channels)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv3x3(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.added = outputs - inputs

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.bn1(self.conv1(images)))
        shortcut = images[:, :, :: self.stride, :: self.stride]
        if self.added:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, self.added // 2, self.added - self.added // 2))
        return torch.relu(self.bn2(self.conv2(hidden)) + shortcut)


class ResNetSmall(nn.Module):
    """The CIFAR network of He et al., section 4.2: stages of 16, 32 and 64 channels, ``blocks`` blocks each.

    ``width`` multiplies the channels.
    """

    def __init__(self, blocks: int, classes: int, shape: Shape, width: float = 1.0) -> None:
        super().__init__()
        low, middle, high = (scaled(channels, width) for channels in (16, 32, 64))
        self.conv1 = _conv3x3(shape[0], low)
        self.bn1 = nn.BatchNorm2d(low)
        self.layer1 = self._stage(low, low, blocks, 1)
        self.layer2 = self._stage(low, middle, blocks, 2)
        self.layer3 = self._stage(middle, high, blocks, 2)
        self.classifier = nn.Linear(high, classes)
        kaiming(self.modules())

    @staticmethod
    def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
        rest = [_BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1)]
        return nn.Sequential(_BasicBlock(inputs, outputs, stride), *rest)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [batch, channels, height, width] to logits [batch, classes]."""
        hidden = torch.relu(self.bn1(self.conv1(images)))
        hidden = self.layer3(self.layer2(self.layer1(hidden)))
        return self.classifier(hidden.mean((2, 3)))


class _Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions; a 1x1 one as shortcut where the size changes."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.bn1(self.conv1(images)))
        hidden = torch.relu(self.bn2(self.conv2(hidden)))
        return torch.relu(self.bn3(self.conv3(hidden)) + self.shortcut(images))


class ResNet50Cifar(nn.Module):
    """ResNet-50 at full width for 32x32 images: 3x3 stem of stride 1, no max-pooling, a head without bias.

    ``width`` multiplies the channels.
    """

    def __init__(self, classes: int, shape: Shape, width: float = 1.0) -> None:
        super().__init__()
        w1, w2, w3, w4 = (scaled(channels, width) for channels in _STAGES)
        self.conv1 = _conv3x3(shape[0], w1)
        self.bn1 = nn.BatchNorm2d(w1)
        self.layer1 = self._stage(w1, w1, 3, 1)
        self.layer2 = self._stage(4 * w1, w2, 4, 2)
        self.layer3 = self._stage(4 * w2, w3, 6, 2)
        self.layer4 = self._stage(4 * w3, w4, 3, 2)
        self.classifier = nn.Linear(4 * w4, classes, bias=False)
        kaiming(self.modules())

    @staticmethod
    def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
        rest = [_Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)]
        return nn.Sequential(_Bottleneck(inputs, width, stride), *rest)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [batch, channels, height, width] to logits [batch, classes]."""
        hidden = torch.relu(self.bn1(self.conv1(images)))
        hidden = self.layer4(self.layer3(self.layer2(self.layer1(hidden))))
        return self.classifier(hidden.mean((2, 3)))


@register
def resnet20(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """ResNet-20 of the CIFAR experiments: 20 layers with weights, 16-32-64 channels."""
    require_images("resnet20", shape)
    return ResNetSmall(3, classes, shape, width)


@register
def resnet50_cifar(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """ResNet-50 for CIFAR: 54 maskable layers, 23,467,712 maskable weights with 10 classes."""
    require_images("resnet50_cifar", shape)
    return ResNet50Cifar(classes, shape, width)


@register
def resnet50(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """Torchvision's ResNet-50 with fresh weights: 54 maskable layers, 25,502,912 with 1000 classes."""
    from torchvision.models import resnet50 as build  # here: slow to import

    require_images("resnet50", shape)
    if width != 1:
        return _resnet50_of(tuple(scaled(channels, width) for channels in _STAGES), classes, shape)
    model = build(weights=None, num_classes=classes)
    if shape[0] != 3:
        model.conv1 = nn.Conv2d(shape[0], 64, 7, stride=2, padding=3, bias=False)
        kaiming([model.conv1])
    return model


def _resnet50_of(widths: tuple[int, ...], classes: int, shape: Shape) -> nn.Module:
    """Return torchvision's ResNet-50 with other numbers of channels in its stages, which it cannot build itself."""
    from torchvision.models.resnet import Bottleneck, ResNet

    model = ResNet(Bottleneck, [1] * len(widths), classes)
    model.inplanes = widths[0]
    model.conv1 = nn.Conv2d(shape[0], widths[0], 7, stride=2, padding=3, bias=False)
    model.bn1 = nn.BatchNorm2d(widths[0])
    for stage, (channels, blocks) in enumerate(zip(widths, (3, 4, 6, 3), strict=True), 1):
        stride = 1 if stage == 1 else 2
        setattr(model, f"layer{stage}", model._make_layer(Bottleneck, channels, blocks, stride))
    model.fc = nn.Linear(widths[-1] * Bottleneck.expansion, classes)
    kaiming(model.modules())
    return model
