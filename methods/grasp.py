"""GraSP: pruning at initialisation that preserves the flow of gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Look, Probe, check_positive
from methods.families.at_initialisation import AtInitialisation
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks

_HOTTEST = 1_000_000  # the product falls with the square of the temperature, and float32 would lose it


@register("grasp")
@dataclass
class GraSP(AtInitialisation):
    """Remove the weights with the largest -w (H g): without them the gradient norm falls least (Wang et al. 2020).

    g is the gradient and H the Hessian of the training loss with logits divided by ``temperature`` (equation 8 and
    algorithm 1). The released code draws the classifier anew for the score alone; here the score is that of the network
    that is trained.

    Attributes:
        per_class: Training images of each class in the probe.
        temperature: Divides the logits.
    """

    summary: ClassVar[str] = "Prunes before training the weights whose removal reduces the gradient norm least."
    paper: ClassVar[str] = "Wang et al. 2020, arXiv:2002.07376"
    look: ClassVar[Look | None] = Look("#999933", "pentagon").hollow()

    per_class: int = 10
    temperature: float = 200.0

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_positive("per_class", self.per_class)
        check_positive("temperature", self.temperature, most=_HOTTEST)

    def probe(self, target: float) -> Probe | None:
        """Request the Hessian-gradient product on ``per_class`` images of each class."""
        return Probe(per_class=self.per_class, temperature=self.temperature, hessian=True) if target < 1 else None

    def scores(self, masks: Masks) -> list[Tensor]:
        """Return w (H g), the negative of the paper's score: what the paper removes first comes last."""
        layers = range(len(masks))
        return [masks.weight(layer).double() * masks.hessian_gradient(layer).double() for layer in layers]
