"""The gradients that a method may read: of a probe, of an event, or of the step in which it is called."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from methods.parts.rows import Rows


class Probed(Protocol):
    """What was computed before the first step, each tensor flat, of shape (n,)."""

    gradients: list[Tensor] | None
    """Gradients of the training loss; None if the probe read no batch."""

    hessian_gradients: list[Tensor] | None
    """The Hessian of that loss times them; None if not requested."""

    def flow(self) -> list[Tensor]:
        """Return SynFlow's scores of the present weights, float64."""


class Gradients:
    """Gradients of the masked weights.

    Attributes:
        probed: What a probe found, while `methods.Method.start` may read it.
        live: Whether the gradients of the present step are read.
    """

    def __init__(self, weights: Sequence[nn.Parameter | Rows]) -> None:
        self._weights = weights
        self._held: list[Tensor] = []
        self._holds = False
        self.live = False
        self.probed: Probed | None = None

    def present(self, layers: Iterable[int]) -> dict[int, Tensor]:
        """Return gradients by layer; those that the model skipped in this step have none."""
        return {layer: gradient for layer in layers if (gradient := self._weights[layer].grad) is not None}

    def hold(self) -> None:
        """Copy the dense gradients for the coming event.

        Masking and ``SGD(foreach=True, nesterov=True, weight_decay=0)`` change ``grad`` in place, hence a copy, whose
        memory is kept from event to event. The gradient of a layer that the model skipped in this step is zero.
        """
        present = self.present(range(len(self._weights)))
        likes = (present.get(layer, weight).detach() for layer, weight in enumerate(self._weights))
        self._held = self._held or [torch.empty_like(like) for like in likes]
        torch._foreach_copy_([self._held[layer] for layer in present], [part.detach() for part in present.values()])
        for layer in set(range(len(self._weights))).difference(present):
            self._held[layer].zero_()
        self._holds = True

    def mask_held(self, masks: Mapping[int, Tensor]) -> None:
        """Multiply the held gradients of some layers with a mask of their shape."""
        for layer, mask in masks.items():
            self._held[layer].mul_(mask)

    def release(self) -> None:
        """Discard the held gradients."""
        self._holds = False

    @contextmanager
    def of_this_step(self) -> Iterator[None]:
        """Have `flat` return the gradients of the present step."""
        self.live = True
        try:
            yield
        finally:
            self.live = False

    def flat(self, layer: int) -> Tensor:
        """Return a layer's gradient, of shape (n,).

        Raises:
            RuntimeError: None was requested.
        """
        if self.live:
            weight = self._weights[layer]
            gradient = torch.zeros_like(weight.detach()) if weight.grad is None else weight.grad.detach()
            return gradient.reshape(-1)
        if self._holds:
            return self._held[layer].reshape(-1)
        if self.probed is not None and self.probed.gradients is not None:
            return self.probed.gradients[layer].reshape(-1)
        raise RuntimeError("this event did not request dense gradients: return Event(dense_gradient=True)")

    def hessian(self, layer: int) -> Tensor:
        """Return the Hessian times the gradient of a layer, of shape (n,).

        Raises:
            RuntimeError: It was not requested.
        """
        if self.probed is None or self.probed.hessian_gradients is None:
            raise RuntimeError("no Hessian product was requested: return Probe(hessian=True) from probe")
        return self.probed.hessian_gradients[layer].reshape(-1)

    def flow(self) -> list[Tensor]:
        """Return SynFlow's scores; see `Probed.flow`.

        Raises:
            RuntimeError: They were not requested.
        """
        if self.probed is None:
            raise RuntimeError("no data-free pass was requested: return Probe(flows=...) from probe")
        return self.probed.flow()
