"""Initial weights scaled by the inputs that a mask leaves each neuron (``model.init_fan=mask``).

Usual initialisations give weights a variance in inverse proportion to the inputs of a neuron, those of the dense layer.
Where a mask leaves n of N inputs, the variance of activations shrinks by n / N in every layer. Scaled by sqrt(N / n),
weights have the variance that belongs to the inputs of their own neuron (Evci et al. 2022, arXiv 2010.03533).
"""

import torch
from torch import nn

from harness.budget.parts import Layers
from harness.errors import UnfitError
from methods import Masks
from methods.parts.rows import Rows

_BY_OUTPUT = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers whose weights have their outputs in the first dimension."""


@torch.no_grad()
def scale_by_fan_in(model: nn.Module, layers: Layers, masks: Masks) -> None:
    """Scale the masked weights of a network that is about to be trained, in place.

    A neuron that keeps no input, or all of them, keeps its weights.

    Args:
        model: With the masks applied.
        layers: Its masked weights.
        masks: As training begins with them.

    Raises:
        UnfitError: A masked weight is of a layer that does not say which of its dimensions are inputs.
    """
    known = {id(module.weight) for module in model.modules() if isinstance(module, _BY_OUTPUT)}
    known |= {id(module.in_proj_weight) for module in model.modules() if isinstance(module, nn.MultiheadAttention)}
    for layer, (name, weight) in enumerate(layers):
        if id(weight.parameter if isinstance(weight, Rows) else weight) not in known:
            raise UnfitError(f"model.init_fan=mask: {name} is of no linear layer or convolution; use init_fan=layer")
        stored = weight.detach()
        alive = masks.alive(layer).view(len(stored), -1)
        left = alive.sum(1).clamp(min=1)
        factor = torch.where(alive.any(1), alive.shape[1] / left, 1.0).sqrt()
        stored.mul_(factor.to(stored.dtype).view(-1, *[1] * (stored.ndim - 1)))
