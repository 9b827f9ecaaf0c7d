"""The precision in which a device computes."""

import torch


def precision(device: torch.device) -> torch.autocast:
    """Return the autocast context of a device: bfloat16 on CUDA, full precision on a CPU."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
