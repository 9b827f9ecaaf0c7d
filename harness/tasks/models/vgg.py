"""VGG with batch normalisation and one linear layer (Simonyan & Zisserman 2014, arXiv 1409.1556)."""

from torch import Tensor, nn

from harness.tasks.models.registry import Shape, kaiming, register, require_images, scaled

_POOL = 0
_VGG19 = (64, 64, _POOL, 128, 128, _POOL, *[256] * 4, _POOL, *[512] * 4, _POOL, *[512] * 4)


class VGG(nn.Module):
    """3x3 convolutions without bias, each with batch normalisation and ReLU; max-pooling where ``plan`` is 0.

    ``width`` multiplies the channels.
    """

    def __init__(self, plan: tuple[int, ...], classes: int, shape: Shape, width: float = 1.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = shape[0]
        for planned in plan:
            if planned == _POOL:
                layers.append(nn.MaxPool2d(2))
                continue
            outputs = scaled(planned, width)
            convolution = nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            channels = outputs
        self.feature = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)
        kaiming(self.modules())

    def forward(self, images: Tensor) -> Tensor:
        """Map images [batch, channels, height, width] to logits [batch, classes]."""
        return self.classifier(self.feature(images).mean((2, 3)))


@register
def vgg19(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """VGG-19 for CIFAR: 17 maskable layers, 20,024,000 maskable weights with 10 classes.

    Raises:
        UsageError: If images are smaller than 16x16, which four poolings would leave without pixels.
    """
    require_images("vgg19", shape, 16)
    return VGG(_VGG19, classes, shape, width)
