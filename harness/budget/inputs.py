"""What goes into a network and comes out of it, and the noise that costs are measured with.

Importing it imports no torch, which settings are composed without.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

    def noise(self, batch: int, seed: int = 0) -> "Tensor":
        """Return random inputs [batch, *shape] on the CPU; global generators are left as they were."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        if self.tokens is not None:
            return torch.randint(self.tokens, (batch, *self.shape), generator=generator)
        return torch.randn(batch, *self.shape, generator=generator)

    def zeros(self, batch: int) -> "Tensor":
        """Return inputs of 0, [batch, *shape], on the CPU."""
        import torch

        return torch.zeros(batch, *self.shape, dtype=torch.float32 if self.tokens is None else torch.int64)
