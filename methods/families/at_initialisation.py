"""Pruning before the first step, shared by SNIP, GraSP, SynFlow and their controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Method
from methods.parts.distributions import kept

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks

SHUFFLES = ("none", "layerwise")


@dataclass
class AtInitialisation(Method):
    """Keep the weights of the untrained network with the highest scores, then train with fixed masks.

    At sparsity 0 nothing is computed and training is dense.

    Attributes:
        shuffle: ``layerwise`` permutes the mask within each layer, so that only the layer densities of the method are
            left (Frankle et al. 2021, section 5; Su et al. 2020); ``none`` keeps it.
        reinit: Whether weights are drawn anew, from another seed, once the masks are set, so that the masks no longer
            belong to the weights they were found on (Frankle et al. 2021, section 5).
    """

    family: ClassVar[str] = "pruning_at_init"
    prunes_globally: ClassVar[bool] = True

    shuffle: str = "none"
    reinit: bool = False

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        if self.shuffle not in SHUFFLES:
            raise ValueError(f"method.shuffle: {self.shuffle[:80]!r} is not one of {', '.join(SHUFFLES)}")

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("distribution", "interval")

    def start(self, masks: Masks, target: float) -> None:
        """Prune to the target, and shuffle the masks if requested."""
        if target < 1:
            self.prune(masks, target)
            if self.shuffle == "layerwise":
                _shuffle(masks)

    def redraws(self, target: float) -> str | None:
        """Return which weights training starts from; shuffled masks need those that were pruned first."""
        if target == 1 or (self.shuffle == "none" and not self.reinit):
            return None
        return "other" if self.reinit else "initial"

    def prune(self, masks: Masks, target: float) -> None:
        """Keep the highest scores of all layers together; ties go to the first weight in model order."""
        masks.keep(self.scores(masks), kept(target, masks.maskable))

    def scores(self, masks: Masks) -> list[Tensor]:
        """Scores of all weights, of each layer flat; the highest are kept."""
        raise NotImplementedError


def _shuffle(masks: Masks) -> None:
    """Permute the mask of each layer, by the run's generator of topology."""
    import torch

    shuffled = {}
    for layer in masks.sparse_layers:
        alive = masks.alive(layer)
        order = torch.randperm(len(alive), generator=masks.generator)
        shuffled[layer] = alive[order.to(alive.device)]
    masks.set_all(shuffled)
