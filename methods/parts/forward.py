"""Forward weights other than the stored ones: the parameters are swapped in place around forward and backward pass."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from methods.parts.rows import Rows

Compute = Callable[[int, Tensor], Tensor]
"""Takes the index of a layer and its stored weights and returns its forward weights."""


class ForwardWeights:
    """Puts forward weights into the parameters and takes them out again, and knows which stored weights are trained.

    All tensors keep their storage, so that a CUDA graph can hold the swap.

    Attributes:
        trains: 1 where a stored weight is trained and 0 elsewhere, of each weight's shape and type.
        also: Weights that are trained though they may be inactive: bool, flat, by layer.
    """

    def __init__(
        self, weights: Sequence[nn.Parameter | Rows], compute: Compute, learned: Sequence[nn.Parameter]
    ) -> None:
        """Train all weights at first.

        Args:
            weights: The masked weights, in model order.
            compute: Makes forward weights of stored ones.
            learned: Other tensors that forward weights depend on; they get gradients too.
        """
        self._weights, self._compute, self._learned = weights, compute, list(learned)
        self._stored = [torch.empty_like(weight.detach()).requires_grad_() for weight in weights]
        self.trains = [torch.ones_like(weight.detach()) for weight in weights]
        self.also: dict[int, Tensor] = {}
        self._counts: list[int] | None = None

    @property
    def trained(self) -> list[int]:
        """Stored weights of each layer that are trained; after a change the host waits for the device, once."""
        if self._counts is None:
            self._counts = torch.stack([torch.count_nonzero(mask) for mask in self.trains]).tolist()
        return self._counts

    def train_also(self, also: Mapping[int, Tensor], alive: Sequence[Tensor]) -> None:
        """Train these weights besides the ``alive`` ones, and no others any more; bool, flat, by layer."""
        for layer, kept in self.also.items():
            kept.copy_(also.get(layer, torch.zeros_like(kept)))
        self.also |= {layer: mask for layer, mask in also.items() if layer not in self.also}
        for layer, mask in enumerate(alive):
            self.follow(layer, mask)
        self._counts = None

    @torch.no_grad()
    def follow(self, layer: int, alive: Tensor) -> None:
        """Take note of the active weights of a layer; `recount` if their number changed."""
        trained = alive | self.also[layer] if layer in self.also else alive
        self.trains[layer].copy_(trained.view(self.trains[layer].shape))

    def recount(self) -> None:
        """Count the trained weights anew when they are next asked for."""
        self._counts = None

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the forward weights during forward and backward pass; map the gradients back to the stored weights."""
        self._store()
        used = [self._used(layer) for layer in range(len(self._weights))]
        if not all(each.requires_grad for each in used):
            raise ValueError("forward_weight returns a tensor that does not depend on the stored weights by autograd")
        with self._holding(used):
            yield
        self._map_back(used)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Hold the forward weights without gradients."""
        with torch.no_grad():
            self._store()
            used = [self._used(layer) for layer in range(len(self._weights))]
        with self._holding(used):
            yield

    @torch.no_grad()
    def freeze(self, layer: int) -> None:
        """Undo what the last step did to the weights of a layer that are not trained."""
        weight = self._weights[layer].detach()
        weight.copy_(torch.where(self.trains[layer] != 0, weight, self._stored[layer]))

    @torch.no_grad()
    def settle(self) -> None:
        """Make the forward weights the weights for good."""
        self._store()
        self._write([self._used(layer) for layer in range(len(self._weights))])

    @torch.no_grad()
    def _store(self) -> None:
        for stored, weight in zip(self._stored, self._weights, strict=True):
            stored.copy_(weight.detach())

    @contextmanager
    def _holding(self, used: Sequence[Tensor]) -> Iterator[None]:
        try:
            self._write(used)
            yield
        finally:
            self._write(self._stored)

    @torch.no_grad()
    def _write(self, values: Sequence[Tensor]) -> None:
        for weight, value in zip(self._weights, values, strict=True):
            weight.detach().copy_(value)

    def _used(self, layer: int) -> Tensor:
        stored = self._stored[layer]
        used = self._compute(layer, stored)
        if not isinstance(used, Tensor):
            raise ValueError(f"forward_weight returns a {type(used).__name__}, not a tensor")
        if used.shape != stored.shape or used.dtype != stored.dtype:
            given, wanted = (f"{part.dtype} of shape {tuple(part.shape)}" for part in (used, stored))
            raise ValueError(f"forward_weight returns {given} for {wanted}")
        return used

    def _map_back(self, used: Sequence[Tensor]) -> None:
        """Replace gradients by forward weights with those by stored weights, and set those of learned tensors."""
        found = {layer: weight.grad for layer, weight in enumerate(self._weights)}
        present = {layer: gradient for layer, gradient in found.items() if gradient is not None}
        if not present:  # the model skipped all of them
            return
        mapped = torch.autograd.grad(
            [used[layer] for layer in present],
            [*(self._stored[layer] for layer in present), *self._learned],
            list(present.values()),
            allow_unused=True,
        )
        for gradient, value in zip(present.values(), mapped, strict=False):
            gradient.zero_() if value is None else gradient.copy_(value)
        for tensor, value in zip(self._learned, mapped[len(present) :], strict=True):
            tensor.grad = value
