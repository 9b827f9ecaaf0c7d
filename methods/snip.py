"""SNIP: pruning at initialisation by the sensitivity of the loss to each connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Look, Probe, check_positive
from methods.families.at_initialisation import AtInitialisation
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks


@register("snip")
@dataclass
class SNIP(AtInitialisation):
    """Keep the weights with the largest abs(weight x gradient) of one batch (Lee et al. 2019, section 4.1).

    Attributes:
        batches: Training batches whose gradients are added up; the paper uses one.
    """

    summary: ClassVar[str] = "Prunes before training the weights to which the loss of one batch is least sensitive."
    paper: ClassVar[str] = "Lee et al. 2019, arXiv:1810.02340"
    look: ClassVar[Look | None] = Look("#999933", "pentagon")

    batches: int = 1

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_positive("batches", self.batches)

    def probe(self, target: float) -> Probe | None:
        """Request the gradient of the mean loss over ``batches``, which ranks as their sum does."""
        return Probe(batches=self.batches) if target < 1 else None

    def scores(self, masks: Masks) -> list[Tensor]:
        """Return abs(w g), in float64 so that small products do not become zero."""
        layers = range(len(masks))
        return [(masks.weight(layer).double() * masks.gradient(layer).double()).abs() for layer in layers]
