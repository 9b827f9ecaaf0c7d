"""Networks that train in seconds on a CPU."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from harness.tasks.models import initial
from harness.tasks.models.registry import Shape, kaiming, register, require_images, scaled


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class ConvNet(nn.Module):
    """Three 3x3 convolutions of 32, 64 and 128 channels, global average pooling, one linear layer.

    Images of 16 pixels and more are halved by the first convolution already, so that 8x8 digits keep their
    few pixels and 28x28 images cost little: the maps are 8, 4, 2 or 14, 7, 4 pixels wide. ``width`` multiplies the
    channels.
    """

    def __init__(self, classes: int, shape: Shape, width: float = 1.0) -> None:
        super().__init__()
        first = 2 if min(shape[1:]) >= 16 else 1
        low, middle, high = (scaled(channels, width) for channels in (32, 64, 128))
        self.features = nn.Sequential(_block(shape[0], low, first), _block(low, middle, 2), _block(middle, high, 2))
        self.classifier = nn.Linear(high, classes)
        kaiming(self.modules())

    def forward(self, images: Tensor) -> Tensor:
        """Map images [batch, channels, height, width] to logits [batch, classes]."""
        return self.classifier(self.features(images).mean((2, 3)))


@register
def convnet(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """Three convolutions for digits and Fashion-MNIST, 94 thousand maskable weights."""
    require_images("convnet", shape)
    return ConvNet(classes, shape, width)


@register
def mlp(
    classes: int,
    shape: Shape,
    width: float = 1.0,
    *,
    widths: Sequence[int] = (300, 100),
    dropout: float = 0.0,
    normalisation: str = "none",
    init: str = "default",
) -> nn.Module:
    """LeNet-300-100: 266,200 maskable weights on 28x28 images of 10 classes; by ``widths`` any other perceptron."""
    sizes = [prod(shape), *(scaled(neurons, width) for neurons in widths)]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, neurons in pairwise(sizes):
        layers += [nn.Linear(inputs, neurons), *initial.normalisation(normalisation, neurons)]
        layers += [nn.ReLU(inplace=True), *initial.dropout(dropout)]
    model = nn.Sequential(*layers, nn.Linear(sizes[-1], classes))
    initial.initialise(model.modules(), init)
    return model
