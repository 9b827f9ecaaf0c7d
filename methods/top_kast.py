"""Top-KAST: the largest weights serve the forward pass, more of them are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Look, Method, Moment, check_fraction, check_interval
from methods.parts.distributions import Shape
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks


@register("top_kast")
@dataclass
class TopKAST(Method):
    """Top-KAST (Jayakumar et al. 2021): the set A of the forward pass within a larger set B that is trained.

    In each layer, A holds the largest weights by magnitude and B the next largest too. The network uses A. The gradient
    of the loss with respect to the used weights trains all of B, as if B were used. Stored weights outside B are frozen
    until their magnitude brings them back. The paper's penalty replaces the recipe's weight decay ``lambda``: the loss
    gains ``lambda / 2 (|w_A|^2 + |w_(B-A)|^2 / D)``, where D is the global density of A (section 2.3). Under an
    optimiser with decoupled weight decay, AdamW, these are the rates of that decay.

    The paper's "80 % forward, 50 % backward sparsity" is ``sparsity=0.8 method.backward_density=0.3``. With B of all
    weights, ``backward_density=1``, every weight is trained.

    Attributes:
        backward_density: Weights of B that are not in A, as a share of all weights: M in the paper, so that B has the
            density D + M, at most 1, divided among layers as A's is.
    """

    family: ClassVar[str] = "straight_through"
    summary: ClassVar[str] = "Uses the largest weights of each layer, and trains some smaller ones too."
    paper: ClassVar[str] = "Jayakumar et al. 2021, arXiv:2106.03517"
    look: ClassVar[Look | None] = Look("#332288", "right")

    prunes_globally: ClassVar[bool] = False
    own_decay: ClassVar[bool] = True

    interval: int = 100
    backward_density: float = 0.1

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_interval(self)
        check_fraction("backward_density", self.backward_density)

    def gradient_counts(self, shapes: Sequence[Shape], active: Sequence[int], target: float) -> list[int]:
        """Return the weights of B in each layer."""
        trained = self.layer_counts(shapes, min(target + self.backward_density, 1.0))
        return [max(pair) for pair in zip(trained, active, strict=True)]

    def start(self, masks: Masks, target: float) -> None:
        """Choose A and B from the initial weights."""
        if target < 1:
            self._choose(masks, target)

    def event(self, moment: Moment) -> Event | None:
        """Choose anew every ``interval`` iterations."""
        return None if moment.step % self.interval else Event()

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Choose A and B from the stored weights."""
        if target < 1:
            self._choose(masks, target)

    def forward_weight(self, weight: Tensor, mask: Tensor, layer: int, masks: Masks) -> Tensor:
        """Return the weights of A, with the gradient of all."""
        return weight + (weight * mask - weight).detach()

    def each_step(self, masks: Masks) -> None:
        """Decay the weights of A, and those of B outside A, each at its rate."""
        for layer, rates in enumerate(masks.memory["decay"]):
            masks.decay(layer, rates)

    def _choose(self, masks: Masks, target: float) -> None:
        from methods.parts.select import top_k_each

        layers = range(len(masks))
        magnitudes = [masks.magnitude(layer) for layer in layers]
        used = self.layer_counts(masks.shapes, target)
        masks.keep_layers(magnitudes, used)
        everything = [masks.alive(layer).fill_(True) for layer in layers]
        trained = top_k_each(magnitudes, self.gradient_counts(masks.shapes, used, target), everything)
        masks.train_also(dict(enumerate(trained)))
        # Of A, of B without A, and of the rest, which is frozen.
        shares = [
            masks.weight_decay * (alive + (both & ~alive) / masks.density)
            for alive, both in zip(map(masks.alive, layers), trained, strict=True)
        ]
        masks.remember("decay", shares)
