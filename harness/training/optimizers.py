"""Optimisers by recipe."""

import torch
from torch import nn

from harness.budget.parts import Layers
from harness.config import RunConfig
from harness.errors import UsageError
from harness.training.prepare import Prepared
from methods.parts.rows import Rows

_ADAPTIVE: dict[str, type[torch.optim.Adam] | type[torch.optim.AdamW]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def build(run: RunConfig, task: Prepared) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over a model's parameters, in the fused implementation where that is right.

    Where the recipe does not decay normalisation, neither its parameters nor biases decay. Masked weights do not if the
    method decays them itself. The optimiser's steps may be recorded as a CUDA graph if the run says so. For a model
    that skips layers at random, a missing gradient counts as zero.

    Raises:
        UsageError: The method decays only some rows of a parameter itself.
    """
    recipe, own = run.recipe, run.method.own_decay and run.sparsity > 0
    spared = _whole(run.method.name, task.layers) if own else set()

    def decays(parameter: nn.Parameter) -> bool:
        return parameter not in spared and (recipe.decay_normalisation or parameter.ndim > 1)

    decayed = [p for p in task.model.parameters() if decays(p)]
    rest = [p for p in task.model.parameters() if not decays(p)]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        *([{"params": rest, "weight_decay": 0.0}] if rest else []),
    ]
    fused = not any(_is_narrow_on_cpu(parameter) for parameter in task.model.parameters())
    if recipe.optimizer in _ADAPTIVE:
        betas = (recipe.betas[0], recipe.betas[1])
        optimizer: torch.optim.Optimizer = _ADAPTIVE[recipe.optimizer](
            groups, lr=recipe.lr, betas=betas, eps=recipe.eps, fused=fused, capturable=bool(run.graph)
        )
    else:
        optimizer = torch.optim.SGD(
            groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused
        )
    if task.costs.host_random:
        _treat_missing_gradients_as_zero(optimizer)
    return optimizer


def _is_narrow_on_cpu(parameter: nn.Parameter) -> bool:
    """Whether a parameter is one that torch's fused optimisers get wrong.

    On a CPU, fused SGD of torch 2.11 takes other steps for vectors of float16 and bfloat16 than the plain one, even
    without momentum, and leaves momentum where neither gradient nor weight is.
    """
    return parameter.device.type == "cpu" and parameter.dtype in (torch.float16, torch.bfloat16)


def _whole(method: str, layers: Layers) -> set[nn.Parameter]:
    """Return the parameters that masked layers make up."""
    rows: dict[nn.Parameter, int] = {}
    for _, weight in layers:
        parameter = weight.parameter if isinstance(weight, Rows) else weight
        rows[parameter] = rows.get(parameter, 0) + weight.shape[0]
    for name, weight in layers:
        if isinstance(weight, Rows) and rows[weight.parameter] < len(weight.parameter):
            raise UsageError(f"dense_layers: {method} decays masked weights in its own way, so all of {name} or none")
    return set(rows)


def _treat_missing_gradients_as_zero(optimizer: torch.optim.Optimizer) -> None:
    """Make an optimiser take a missing gradient for zero.

    Otherwise torch leaves the parameter out of the step, and its fused SGD fails where only some have momentum yet.
    """

    def fill(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.requires_grad and parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)

    optimizer.register_step_pre_hook(fill)
