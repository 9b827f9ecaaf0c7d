"""What goes into a network and comes out of it, and the noise that costs are measured with."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Inputs:
    """Inputs and outputs of a network, for one sample.

    Attributes:
        shape: Of an input.
        tokens: How many different numbers inputs can be, where they are int64 from 0; None for float32.
        outputs: Shape of what the network returns; None if that is not known.
    """

    shape: tuple[int, ...]
    tokens: int | None = None
    outputs: tuple[int, ...] | None = None

    @classmethod
    def of(cls, inputs: "Inputs | Sequence[int]") -> "Inputs":
        """Return inputs as they are, or those of float32 in a shape."""
        return inputs if isinstance(inputs, Inputs) else cls(tuple(inputs))

    def noise(self, batch: int = 1, *, device: str | torch.device = "cpu") -> Tensor:
        """Return random inputs [batch, *shape], always the same ones; global generators are left as they were."""
        generator = torch.Generator().manual_seed(0)
        if self.tokens is not None:
            return torch.randint(self.tokens, (batch, *self.shape), generator=generator).to(device)
        return torch.randn((batch, *self.shape), generator=generator).to(device)
