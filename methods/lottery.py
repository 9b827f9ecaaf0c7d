"""Lottery tickets as they were found first: layer by layer, and back to the initial weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Look, Method
from methods.parts.distributions import Shape, exact_counts
from methods.registry import register
from methods.rewinding import WeightRewinding

if TYPE_CHECKING:
    from methods.base import Moment
    from methods.parts.masks import Masks

OF = ("remaining", "all")
_FIFTH = 0.2  # the paper's share, which decides how much denser the last layer is where rounds have other shares
_NEAR = 1e-3  # of a round: what a written sparsity, as 0.9192 for 91 / 99, may differ by
_DIGITS = 5e-5  # of a sparsity: four written decimals


@register("lth")
@dataclass
class LotteryTicket(WeightRewinding):
    """Train, prune the smallest weights of each layer, return to the initial weights, train again, in rounds.

    Frankle & Carbin 2019, section 2 and appendix G: a fifth of the remaining weights a round (``share=0.2``), of the
    output layer half of that. `lth_rewind` prunes all layers together and returns to an early point instead.

    Attributes:
        of: What ``share`` is of: the ``remaining`` weights or ``all`` weights, so that the sparsity grows evenly.
        output: How much faster or slower the last masked layer is pruned: 0.5 for half the share of the others.
    """

    family: ClassVar[str] = "rewinding"
    summary: ClassVar[str] = "Trains, prunes layer by layer and returns to the initial weights, in rounds."
    paper: ClassVar[str] = "Frankle & Carbin 2019, arXiv:1803.03635"
    look: ClassVar[Look | None] = Look("#009988", "arrow").hollow()

    prunes_globally: ClassVar[bool] = False

    distribution: str = "uniform_all"
    rewind_to: float = 0.0
    of: str = "remaining"
    output: float = 0.5

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        if self.of not in OF:
            raise ValueError(f"method.of: {self.of[:80]!r} is not one of {', '.join(OF)}")
        if self.of == "all" and not self.share:
            raise ValueError("method.of: all needs method.share, the share of all weights that a round prunes")
        if not 0 < self.output <= 1:
            raise ValueError(f"method.output: {self.output} is not in (0, 1]")

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("interval",)

    def layer_densities(self, shapes: Sequence[Shape], density: float) -> list[float]:
        """Return densities by ``distribution``; the last layer's falls by its own share, and the others pay for it."""
        if self.output == 1 or len(shapes) == 1 or density == 1:
            return Method.layer_densities(self, shapes, density)
        share = self.share if self.share and self.of == "remaining" else _FIFTH
        last = density ** (math.log1p(-self.output * share) / math.log1p(-share))
        sizes = [math.prod(shape) for shape in shapes]
        rest = (density * sum(sizes) - last * sizes[-1]) / sum(sizes[:-1])
        if rest <= 0:
            raise ValueError(
                f"method.output: {self.output} keeps {last:.4g} of the last layer, which at a density of {density:.4g} "
                f"leaves nothing of the others; use output=1 or a lower sparsity"
            )
        return [*Method.layer_densities(self, shapes[:-1], rest), last]

    def layer_counts(self, shapes: Sequence[Shape], density: float, active: Sequence[int] | None = None) -> list[int]:
        """Active weights of the layers: exactly the target's total after each round; no layer's count ever grows."""
        return exact_counts(shapes, self.layer_densities(shapes, density), density, active)

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the largest weights of each layer, as they are at the end of training."""
        masks.prune_layers(self.layer_counts(masks.shapes, self._density(moment.round, target), masks.active))

    def _rounds(self, target: float) -> int:
        if self.of == "remaining":
            return super()._rounds(target)
        exact = (1 - target) / self.share
        whole = round(exact)
        meant = abs(exact - whole) <= max(_NEAR, _DIGITS / self.share)
        return self._allowed(whole if meant else math.ceil(exact))

    def _density(self, done: int, target: float) -> float:
        if self.of == "remaining":
            return super()._density(done, target)
        return target if done >= self._rounds(target) else 1 - done * self.share
