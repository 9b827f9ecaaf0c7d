"""SynFlow: pruning at initialisation without data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Look, Probe, check_positive
from methods.families.at_initialisation import AtInitialisation
from methods.parts.distributions import kept
from methods.registry import register

if TYPE_CHECKING:
    from methods.parts.masks import Masks


@register("synflow")
@dataclass
class SynFlow(AtInitialisation):
    """Keep the weights with the largest synaptic flow, in many small prunings (Tanaka et al. 2020, algorithm 1).

    The density after round k of n is ``target ** (k / n)``. Scores are computed anew in each round, which is what keeps
    layers from being emptied.

    Attributes:
        rounds: Prunings; the paper uses 100.
    """

    summary: ClassVar[str] = "Prunes before training, without data, the weights that carry the least synaptic flow."
    paper: ClassVar[str] = "Tanaka et al. 2020, arXiv:2006.05467"
    look: ClassVar[Look | None] = Look("#999933", "hexagon")

    rounds: int = 100

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_positive("rounds", self.rounds, most=10_000)

    def probe(self, target: float) -> Probe | None:
        """Request one data-free pass for each round."""
        return Probe(flows=self.rounds) if target < 1 else None

    def prune(self, masks: Masks, target: float) -> None:
        """Prune in rounds, each by the flow through what the last one left; pruned weights never return."""
        for done in range(1, self.rounds + 1):
            flows = enumerate(masks.flow())
            # Below live weights that carry no flow either.
            scores = [flow.where(masks.alive(layer), -1.0) for layer, flow in flows]
            masks.keep(scores, kept(target ** (done / self.rounds), masks.maskable))
