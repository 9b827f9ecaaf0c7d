"""LeNet-5 (LeCun et al. 1998) in the two forms that papers on sparsity use; weights start as torch draws them."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.tasks.models import initial
from harness.tasks.models.registry import Shape, register, require_images, scaled

_KERNEL = 5
_LARGE = 32  # pixels from which LeNet-5 needs no border, and up to which it gets one


class LeNet(nn.Module):
    """Two 5x5 convolutions, each with a ReLU and 2x2 max-pooling, and linear layers with ReLUs between them.

    Args:
        channels: Of the two convolutions.
        hidden: Neurons of the linear layers before the last.
        classes: Number of classes.
        shape: Of one image.
        padding: Pixels around the image.
        dropout: Share of the hidden neurons that a training step leaves out.
        normalisation: Between each hidden linear layer and its ReLU (`harness.tasks.models.initial`).
        init: Of the weights (`harness.tasks.models.initial`).
    """

    def __init__(
        self,
        channels: tuple[int, int],
        hidden: tuple[int, ...],
        classes: int,
        shape: Shape,
        padding: int = 0,
        *,
        dropout: float = 0.0,
        normalisation: str = "none",
        init: str = "default",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(shape[0], channels[0], _KERNEL, padding=padding)
        self.conv2 = nn.Conv2d(channels[0], channels[1], _KERNEL)
        rows, columns = (_pooled(_pooled(side + 2 * padding)) for side in shape[1:])
        sizes = (channels[1] * rows * columns, *hidden, classes)
        self.hidden = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes[:-1]))
        self.classifier = nn.Linear(sizes[-2], sizes[-1])
        self.normalisation = nn.ModuleList(
            nn.Sequential(*initial.normalisation(normalisation, neurons)) for neurons in hidden
        )
        self.dropout = nn.Sequential(*initial.dropout(dropout))
        initial.initialise(self.modules(), init)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [batch, channels, height, width] to logits [batch, classes]."""
        maps = F.max_pool2d(torch.relu(self.conv1(images)), 2)
        hidden = F.max_pool2d(torch.relu(self.conv2(maps)), 2).flatten(1)
        for layer, normalise in zip(self.hidden, self.normalisation, strict=True):
            hidden = self.dropout(torch.relu(normalise(layer(hidden))))
        return self.classifier(hidden)


def _pooled(side: int) -> int:
    """Return the side of a map after one convolution and pooling."""
    return (side - _KERNEL + 1) // 2


@register
def lenet_5(
    classes: int,
    shape: Shape,
    width: float = 1.0,
    *,
    dropout: float = 0.0,
    normalisation: str = "none",
    init: str = "default",
) -> nn.Module:
    """LeNet-5 of 6 and 16 channels, 120 and 84 neurons: 61,470 maskable weights on 28x28 images of 10 classes.

    As in 1998, 28x28 images get a border of two pixels; smaller ones do too, and 32x32 needs none. As in its
    descendants, C3 sees all maps of S2, pooling takes the maximum and has no weights, and activations are ReLUs.
    """
    padding = 2 if min(shape[1:]) < _LARGE else 0
    require_images("lenet_5", shape, 12)
    channels, hidden = (scaled(6, width), scaled(16, width)), (scaled(120, width), scaled(84, width))
    return LeNet(channels, hidden, classes, shape, padding, dropout=dropout, normalisation=normalisation, init=init)


@register
def lenet_5_caffe(
    classes: int,
    shape: Shape,
    width: float = 1.0,
    *,
    dropout: float = 0.0,
    normalisation: str = "none",
    init: str = "default",
) -> nn.Module:
    """Caffe's LeNet of 20 and 50 channels, 500 neurons: 430,500 maskable weights on 28x28 images of 10 classes.

    As in SNIP (Lee et al. 2019) and SNFS (Dettmers & Zettlemoyer 2019), with the ReLUs after the convolutions that
    their code has and Caffe's does not.
    """
    require_images("lenet_5_caffe", shape, 16)
    channels, hidden = (scaled(20, width), scaled(50, width)), (scaled(500, width),)
    return LeNet(channels, hidden, classes, shape, dropout=dropout, normalisation=normalisation, init=init)
