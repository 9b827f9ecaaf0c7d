"""Optimisers by recipe."""

import torch
from torch import nn

from harness.config import RecipeConfig


def build(model: nn.Module, recipe: RecipeConfig, *, recorded: bool = False) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over a model's parameters, in the fused implementation.

    Where the recipe does not decay normalisation, neither its parameters nor biases decay. ``recorded`` says that its
    steps may be recorded as a CUDA graph.
    """
    decayed = [p for p in model.parameters() if recipe.decay_normalisation or p.ndim > 1]
    rest = [p for p in model.parameters() if not recipe.decay_normalisation and p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        *([{"params": rest, "weight_decay": 0.0}] if rest else []),
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=True, capturable=recorded)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True)


def treat_missing_gradients_as_zero(optimizer: torch.optim.Optimizer) -> None:
    """Make an optimiser take a missing gradient for zero, for models that skip layers at random.

    Otherwise torch leaves the parameter out of the step, and its fused SGD fails where only some have momentum yet.
    """

    def fill(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.requires_grad and parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)

    optimizer.register_step_pre_hook(fill)
