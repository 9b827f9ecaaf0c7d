"""From the host to a device without waiting."""

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device; the host goes on while it is copied, in the order of the stream.

    Only pinned memory can be copied so; the allocator keeps it until the copy is done.
    """
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
