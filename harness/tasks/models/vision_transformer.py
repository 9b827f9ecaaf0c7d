"""Vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929): a small one, and torchvision's ViT-B/16.

Every matrix can be masked: patch embedding, projections of attention, perceptrons and head, as in the released code of
SViTE (Chen et al. 2021, arXiv 2106.04533), which masks all parameters of two and of four dimensions. Class token,
position embeddings, normalisation and biases enter no product and stay dense.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import UsageError
from harness.tasks.models.registry import Shape, register, require_images, scaled

_PATCHES = (7, 4)  # pixels of a side, in the order of preference
_DEPTH, _HEADS, _HEAD_WIDTH, _HIDDEN = 6, 4, 16, 128
_SPREAD = 0.02
"""Standard deviation of class token, positions and head at the start, as in DeiT (Touvron et al. 2021)."""


class _Attention(nn.Module):
    """Self-attention with one matrix for queries, keys and values, as DeiT has it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        split = self.qkv(tokens).view(batch, count, 3, _HEADS, width // _HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*split.unbind())
        return self.projection(mixed.transpose(1, 2).reshape(batch, count, width))


class _Block(nn.Module):
    """Attention and a perceptron of one hidden layer, each after a normalisation and beside a shortcut."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = _Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, hidden)
        self.output = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.norm1(tokens))
        return tokens + self.output(F.gelu(self.hidden(self.norm2(tokens))))


class VisionTransformer(nn.Module):
    """Patches, a class token, positions that are learned, six blocks, and a linear head on the class token.

    Args:
        patch: Pixels of a patch's side.
        classes: Number of classes.
        shape: Of one image.
        scale: Multiplies the width of each of the four heads of attention and that of the perceptrons, each for
            itself: many small steps, so that a narrower net finds one near its size.
    """

    def __init__(self, patch: int, classes: int, shape: Shape, scale: float = 1.0) -> None:
        super().__init__()
        channels, height, across = shape
        width, hidden = _HEADS * scaled(_HEAD_WIDTH, scale), scaled(_HIDDEN, scale)
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + (height // patch) * (across // patch), width))
        self.blocks = nn.Sequential(*(_Block(width, hidden) for _ in range(_DEPTH)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        self._initialise()

    def _initialise(self) -> None:
        """Draw the matrices as the authors' code does, and a head that is not zero: zeros would pass no gradient on."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.patches.weight, std=self.patches.weight[0].numel() ** -0.5)
        if self.patches.bias is not None:
            nn.init.zeros_(self.patches.bias)
        for parameter in (self.class_token, self.positions, self.head.weight):
            nn.init.normal_(parameter, std=_SPREAD)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [batch, channels, height, width] to logits [batch, classes]."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(images), -1, -1), patches], dim=1) + self.positions
        return self.head(self.norm(self.blocks(tokens))[:, 0])


@register
def vit_tiny(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """Six blocks of width 64 with 4 heads, perceptrons twice as wide: 200,384 maskable weights on 28x28 images.

    Our choice of sizes, for a CPU. Patches are of 7x7 pixels if they tile the image (28x28: 16 patches), otherwise of
    4x4 (32x32: 64 patches). ``width`` multiplies the widths of heads and perceptrons; there are always four heads.
    """
    require_images("vit_tiny", shape)
    fitting = [patch for patch in _PATCHES if shape[1] % patch == shape[2] % patch == 0]
    if not fitting:
        raise UsageError(
            f"model 'vit_tiny' has patches of 7x7 or 4x4 pixels, which do not tile images of {shape[1]}x{shape[2]}"
        )
    return VisionTransformer(fitting[0], classes, shape, width)


@register
def vit_b_16(classes: int, shape: Shape, width: float = 1.0) -> nn.Module:
    """Torchvision's ViT-B/16 with fresh weights: 86,292,480 maskable weights on 224x224 images of 1000 classes.

    Its head starts as DeiT's and not at zero, which would pass no gradient on: SNIP could not rank the other layers.
    ``width`` multiplies the widths of heads and perceptrons; there are always 12 heads.
    """
    from torchvision.models.vision_transformer import VisionTransformer as Published  # here: slow to import

    require_images("vit_b_16", shape)
    if shape[1] != shape[2] or shape[1] % 16:
        raise UsageError(
            f"model 'vit_b_16' needs square images of a multiple of 16 pixels, not of {shape[1]}x{shape[2]}"
        )
    size = 12 * scaled(64, width)
    model = Published(shape[1], 16, 12, 12, size, scaled(3072, width), num_classes=classes)
    if shape[0] != 3:
        model.conv_proj = nn.Conv2d(shape[0], size, 16, stride=16)
        nn.init.normal_(model.conv_proj.weight, std=model.conv_proj.weight[0].numel() ** -0.5)
        nn.init.zeros_(model.conv_proj.bias)
    nn.init.normal_(model.heads.head.weight, std=_SPREAD)
    return model
