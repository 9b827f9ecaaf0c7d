"""Networks with a weight that can be neither masked nor charged."""

import torch
from networks import CLASSES, Embedded
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune


class Small(nn.Module):
    """A convolution, a linear layer and a head, for others to change."""

    def __init__(self, change=lambda model: None):
        super().__init__()
        self.conv, self.linear, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 16), nn.Linear(16, CLASSES)
        change(self)

    def forward(self, images):
        return self.head(self.linear(self.conv(images).relu().mean((2, 3))).relu())


class Standardised(nn.Conv2d):
    """Weight standardisation."""

    def forward(self, images):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(images, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


class Half(nn.Module):
    """A parametrisation that halves."""

    def forward(self, weight):
        return weight / 2


class Modulated(nn.Module):
    """A kernel scaled by what the image says."""

    def __init__(self):
        super().__init__()
        self.kernel, self.style, self.head = nn.Parameter(torch.randn(8, 3, 3, 3)), nn.Linear(3, 3), nn.Linear(8, 5)

    def forward(self, images):
        style = self.style(images.mean((2, 3)))
        kernels = (self.kernel[None] * style[:, None, :, None, None]).flatten(0, 1)
        maps = F.conv2d(images.flatten(0, 1)[None], kernels, groups=len(images))
        return self.head(maps.view(len(images), 8, -1).mean(2))


class ByHand(nn.Module):
    """A linear layer written as multiplication and sum."""

    def __init__(self):
        super().__init__()
        self.matrix, self.head = nn.Parameter(torch.randn(16, 192)), nn.Linear(16, CLASSES)

    def forward(self, images):
        return self.head((images.flatten(1)[:, None] * self.matrix).sum(-1))


class Written(nn.Module):
    """A layer on flat images, from a weight of 16 rows and whatever operators are given, before a head."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.matrix, self.head = layer, nn.Parameter(torch.randn(16, 192)), nn.Linear(16, CLASSES)

    def forward(self, images):
        flat = images.flatten(1)
        return self.head(self.layer(flat[:, None], self.matrix))


BY_HAND = {
    "cosines": lambda x, w: F.cosine_similarity(x, w[None], dim=-1),
    "cosines_of_rows": lambda x, w: torch.stack([F.cosine_similarity(x[:, 0], row, dim=-1) for row in w], 1),
    "rows": lambda x, w: torch.stack([(x[:, 0] * row).sum(-1) for row in w.exp()], 1),
    "addcmul": lambda x, w: torch.addcmul(x.new_zeros(()), x, w).sum(-1),
    "division": lambda x, w: (x / w).sum(-1),
    "lerp": lambda x, w: torch.lerp(x.new_zeros(1), w.expand(len(x), 16, 192), x.expand(-1, 16, -1)).sum(-1),
    "average_pooling": lambda x, w: F.avg_pool1d(x * w, 192)[..., 0],
    "norm": lambda x, w: torch.linalg.vector_norm(x * w, dim=-1),
    "softmax": lambda x, w: (x * w.softmax(-1)).relu().mean(-1),
    "distances": lambda x, w: (x - w).abs().sum(-1),
    "square": lambda x, w: (x + w).square().sum(-1),
    "greatest_sum": lambda x, w: (x + w).max(-1).values,
    "repeated": lambda x, w: (x.repeat(1, 16, 1) - w).square().sum(-1),
    "changed_by_the_inputs": lambda x, w: (x * (w + x.mean((1, 2), keepdim=True))).sum(-1),
    "in_place": lambda x, w: torch.empty(len(x), 16, 192).copy_(w).mul_(x).sum(-1),
    "flat": lambda x, w: (x * w.exp()).view(len(x), 16, 3, 64).sum((2, 3)),
    "index_add": lambda x, w: x.new_zeros(len(x), 16).index_add(
        1, torch.arange(16).repeat_interleave(192), (x * w.exp()).flatten(1)
    ),
}
"""Products of an image [batch, 1, 192] and a weight [16, 192] that no operator says to be one."""


class Product(nn.Module):
    """A low-rank layer: two weights that are multiplied with each other first."""

    def __init__(self):
        super().__init__()
        self.tall, self.wide = nn.Parameter(torch.randn(192, 4)), nn.Parameter(torch.randn(4, 16))
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images):
        return self.head(images.flatten(1) @ (self.tall @ self.wide))


class Experts(nn.Module):
    """Matrices of which each image chooses one."""

    def __init__(self):
        super().__init__()
        self.experts, self.head = nn.Parameter(torch.randn(4, 192, 16)), nn.Linear(16, CLASSES)

    def forward(self, images):
        flat = images.flatten(1)
        chosen = self.experts[flat[:, :4].argmax(1)]
        return self.head(torch.bmm(flat[:, None], chosen)[:, 0])


class Demodulated(nn.Module):
    """A matrix scaled by what the image says, in a batched product."""

    def __init__(self):
        super().__init__()
        self.matrix, self.style, self.head = nn.Parameter(torch.randn(192, 16)), nn.Linear(3, 16), nn.Linear(16, 5)

    def forward(self, images):
        matrices = self.matrix * self.style(images.mean((2, 3)))[:, None]
        return self.head(torch.bmm(images.flatten(1)[:, None], matrices)[:, 0])


class NoGradient(nn.Module):
    """A body whose features are taken without gradients, and a detached weight."""

    def __init__(self):
        super().__init__()
        self.body, self.linear, self.head = nn.Linear(192, 32), nn.Linear(32, 32), nn.Linear(32, CLASSES)

    def forward(self, images):
        with torch.no_grad():
            hidden = self.body(images.flatten(1)).relu()
        return self.head(F.linear(hidden, self.linear.weight.detach()))


class Binary(torch.autograd.Function):
    """Signs forward, gradients straight through."""

    @staticmethod
    def forward(_, weight):
        return weight.sign()

    @staticmethod
    def backward(_, gradient):
        return gradient


class Binarised(nn.Linear):
    """A linear layer on the signs of its weight."""

    def forward(self, images):
        return F.linear(images, Binary.apply(self.weight), self.bias)


class Pieces(nn.Module):
    """A weight of which some rows are used more often than others."""

    def __init__(self):
        super().__init__()
        self.packed, self.head = nn.Parameter(torch.randn(20, 192)), nn.Linear(20, CLASSES)

    def forward(self, images):
        flat = images.flatten(1)
        return self.head(torch.cat([flat @ self.packed[:5].t(), flat.flip(1) @ self.packed.t()], 1)[:, :20])


def _standardise(model):
    model.conv = Standardised(3, 8, 3)


def _binarise(model):
    model.linear = Binarised(8, 16)


def _freeze(model):
    model.linear.requires_grad_(False)


def _unused(model):
    model.spare = nn.Linear(4, 4)


REFUSED = {
    "parametrised": (
        lambda: Small(lambda model: parametrize.register_parametrization(model.linear, "weight", Half())),
        "linear.parametrizations.weight.original, which is recomputed",
    ),
    "weight_norm": (
        lambda: Small(lambda model: parametrizations.weight_norm(model.linear)),
        "linear.parametrizations.weight.original0, linear.parametrizations.weight.original1, which is recomputed",
    ),
    "spectral_norm": (
        lambda: Small(lambda model: parametrizations.spectral_norm(model.linear)),
        "linear.parametrizations.weight.original, which is recomputed",
    ),
    "old_weight_norm": (
        lambda: Small(lambda model: nn.utils.weight_norm(model.linear)),
        "linear.weight_g, linear.",
    ),
    "old_spectral_norm": (
        lambda: Small(lambda model: nn.utils.spectral_norm(model.conv)),
        "conv.weight_orig, which",
    ),
    "orthogonal": (
        lambda: Small(lambda model: parametrizations.orthogonal(model.linear)),
        "linear.parametrizations.weight.original, which is recomputed",
    ),
    "pruned": (
        lambda: Small(lambda model: prune.l1_unstructured(model.linear, "weight", 0.5)),
        "linear.weight_orig, which is recomputed",
    ),
    "standardised": (lambda: Small(_standardise), "conv.weight, which is recomputed"),
    "modulated": (Modulated, "kernel, which is scaled or chosen by the inputs"),
    "demodulated": (Demodulated, "matrix, which is scaled or chosen by the inputs"),
    "experts": (Experts, "experts, which is scaled or chosen by the inputs"),
    "no_gradient": (NoGradient, "body.weight, linear.weight, which receives no gradient"),
    "binarised": (lambda: Small(_binarise), "linear.weight, which is recomputed"),
    "by_hand": (ByHand, "matrix, which enters a product written by hand, aten::mul with the inputs"),
    **{
        name: (lambda layer=layer: Written(layer), "matrix, which enters a product written by hand, aten::")
        for name, layer in BY_HAND.items()
    },
    "product": (Product, "tall, wide, which is recomputed"),
    "frozen": (lambda: Small(_freeze), "linear.weight, which is frozen"),
    "unused": (lambda: Small(_unused), "spare.weight, which is never used"),
    "embedded": (lambda: Embedded(tied=True), "table.weight, which is shared by layers of different kinds"),
    "pieces": (Pieces, "packed, which has rows that are used more often than others"),
}
"""Networks with a weight that can be neither masked nor charged, and what is said of it."""
