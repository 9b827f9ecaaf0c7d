"""The controls of pruning at initialisation: by magnitude and at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Look
from methods.families.at_initialisation import AtInitialisation
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks

_LOOK = Look("#999933", "bar")


@register("magnitude_init")
@dataclass
class MagnitudeInit(AtInitialisation):
    """Keep the largest initial weights of all layers together (Frankle et al. 2021)."""

    summary: ClassVar[str] = "Prunes the smallest initial weights before training: the control of SNIP, GraSP, SynFlow."
    paper: ClassVar[str] = "Frankle et al. 2021, arXiv:2009.08576"
    look: ClassVar[Look | None] = _LOOK

    def keeps_largest(self) -> bool:
        """Return True."""
        return True

    def scores(self, masks: Masks) -> list[Tensor]:
        """Return abs(w)."""
        return [masks.magnitude(layer) for layer in range(len(masks))]


@register("random_init")
@dataclass
class RandomInit(AtInitialisation):
    """Random masks with uniform layer densities, the first convolution dense (Liu et al. 2022).

    With ``distribution=erk`` the masks are those of ``static``.
    """

    summary: ClassVar[str] = "Prunes at random before training, with equal layer densities."
    paper: ClassVar[str] = "Liu et al. 2022, arXiv:2202.02643"
    look: ClassVar[Look | None] = _LOOK.hollow()

    prunes_globally: ClassVar[bool] = False

    distribution: str = "uniform"

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("interval",)

    def prune(self, masks: Masks, target: float) -> None:
        """Draw the masks."""
        masks.initialise(self.layer_counts(masks.shapes, target))
