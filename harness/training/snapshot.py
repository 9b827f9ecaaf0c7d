"""What weight rewinding goes back to: weights, statistics and optimiser state of a moment, kept and brought back."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

Snapshot = dict[str, Any]


def take(model: nn.Module, optimizer: torch.optim.Optimizer) -> Snapshot:
    """Return a copy of all that training changes: parameters, buffers, and every tensor of the optimiser's state."""
    return copy.deepcopy({"model": model.state_dict(), "optimizer": optimizer.state_dict()["state"]})


@torch.no_grad()
def restore(snapshot: Snapshot, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write a snapshot back in place, so that every tensor keeps its storage; masks are to be applied after it."""
    for name, tensor in model.state_dict().items():
        tensor.copy_(snapshot["model"][name])
    for index, values in optimizer.state_dict()["state"].items():
        saved = snapshot["optimizer"].get(index, {})
        for name, value in values.items():
            if isinstance(value, Tensor):
                # The snapshot may be older than the first step, when there was no state: that is zero.
                value.copy_(saved[name]) if name in saved else value.zero_()
