"""The yardstick for topology events: masks in a dictionary, thresholds by sorting, as the field's released code does.

Straightforward, not slow on purpose: a sorted top-k over all weights to prune globally, two full sorts a layer to drop
and grow, counts read back with ``.item()``, and new storage for every masked tensor.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SortBasedMasks:
    """Masks by layer name over named weights and an optimiser with momentum."""

    def __init__(
        self,
        layers: Sequence[tuple[str, nn.Parameter]],
        masks: dict[str, Tensor],
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self.layers = dict(layers)
        self.masks = {name: mask.float() for name, mask in masks.items()}
        self.optimizer = optimizer

    def granet_event(self, density: float, fraction: float) -> None:
        """Prune to a global density, then drop and grow ``fraction`` of each layer by gradient."""
        self.gmp_event(density)
        self.rigl_event(fraction)

    def gmp_event(self, density: float) -> None:
        """Keep the weights above one threshold, found by a sorted top-k over all of them."""
        scores = torch.cat([weight.detach().abs().flatten() for weight in self.layers.values()])
        kept = int(density * scores.numel())
        threshold = torch.topk(scores, kept, sorted=True).values[-1]
        for name, weight in self.layers.items():
            self.masks[name] = (weight.detach().abs() > threshold).float()
        self._apply()

    def rigl_event(self, fraction: float) -> None:
        """Drop the smallest ``fraction`` of each layer, then grow as many with the largest gradients."""
        dropped = {name: self._drop(name, weight, fraction) for name, weight in self.layers.items()}
        for name, weight in self.layers.items():
            self._grow(name, weight, dropped[name])
        self._apply()

    def _drop(self, name: str, weight: Tensor, fraction: float) -> int:
        mask = self.masks[name]
        active = int(mask.sum().item())
        inactive = mask.numel() - active
        remove = math.ceil(fraction * active)
        ascending, _ = torch.sort(weight.detach().abs().flatten())
        threshold = ascending[inactive + remove - 1].item()
        self.masks[name] = (weight.detach().abs() > threshold).float()
        return active - int(self.masks[name].sum().item())

    def _grow(self, name: str, weight: Tensor, count: int) -> None:
        assert weight.grad is not None
        mask = self.masks[name]
        score = weight.grad * (mask == 0).float()
        _, best = torch.sort(score.abs().flatten(), descending=True)
        mask.view(-1)[best[:count]] = 1.0

    def _apply(self) -> None:
        for name, weight in self.layers.items():
            weight.data = weight.data * self.masks[name]
            state = self.optimizer.state[weight]
            if "momentum_buffer" in state:
                state["momentum_buffer"] = state["momentum_buffer"] * self.masks[name]
