"""Copies from the host to a device that do not wait."""

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a CPU tensor on a device; the host continues while it is copied, in stream order.

    That needs pinned memory, which the allocator keeps until the copy is done.
    """
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
