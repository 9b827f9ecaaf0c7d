"""Initial weights scaled by the inputs that a mask leaves each neuron (``model.init_fan=mask``).

Usual initialisations give weights a variance in inverse proportion to the inputs of a neuron, those of the dense layer.
Where a mask leaves n of N inputs, the variance of activations shrinks by n / N in every layer. Scaled by sqrt(N / n),
weights have the variance that belongs to the inputs of their own neuron (Evci et al. 2022, arXiv 2010.03533).
"""

import torch

from harness.budget.parts import Layers
from methods import Masks


@torch.no_grad()
def scale_by_fan_in(layers: Layers, masks: Masks) -> None:
    """Scale the masked weights of a network that is about to be trained, in place.

    A neuron that keeps no input, or all of them, keeps its weights.

    Args:
        layers: Its masked weights, with the masks applied; their first dimension is that of the outputs.
        masks: As training begins with them.
    """
    for layer, (_, weight) in enumerate(layers):
        stored = weight.detach()
        alive = masks.alive(layer).view(len(stored), -1)
        left = alive.sum(1).clamp(min=1)
        factor = torch.where(alive.any(1), alive.shape[1] / left, 1.0).sqrt()
        stored.mul_(factor.to(stored.dtype).view(-1, *[1] * (stored.ndim - 1)))
