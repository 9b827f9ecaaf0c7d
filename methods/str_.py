"""STR: soft thresholds that are learned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Event, Learned, Look, Method, Moment, check_interval
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks

_NAME = "threshold"


@register("str")
@dataclass
class STR(Method):
    """Soft threshold reparameterisation (Kusupati et al. 2020): each layer learns below which magnitude weights are 0.

    The network uses ``sign(w) relu(|w| - sigmoid(s))``, with one learned s for each layer. Its weight decay pulls s
    towards 0, which raises the threshold, and the loss pulls back. The sparsity is what comes out: ``decay`` and
    ``init`` control it, and the requested sparsity only says which one is wanted. The defaults are the paper's for 90 %
    of ResNet-50 on ImageNet in 100 epochs; shorter schedules take a larger ``init`` and ``decay``. Without a request,
    at sparsity 0, nothing is learned and training is dense.

    Masks follow the thresholds every ``interval`` iterations. In between, weights that fall below the threshold count
    as active, and those that rise above it have to wait; ``interval=1`` is the paper's rule. Inactive weights are
    frozen, where the released code goes on decaying them.

    Attributes:
        init: Initial s.
        decay: Weight decay of s; weights have the recipe's. Above 1 for short schedules of AdamW, where s loses the
            learning rate times ``decay`` of itself each step.
    """

    family: ClassVar[str] = "soft_thresholds"
    summary: ClassVar[str] = "Learns a threshold for each layer; the sparsity it reaches is a result."
    paper: ClassVar[str] = "Kusupati et al. 2020, arXiv:2002.03231"
    look: ClassVar[Look | None] = Look("#332288", "right").hollow()

    prunes_globally: ClassVar[bool] = True
    exact: ClassVar[bool] = False

    interval: int = 100
    init: float = -3200.0
    decay: float = 2.251757813e-5

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_interval(self)
        if not math.isfinite(self.init):
            raise ValueError(f"method.init: {self.init} is not a finite number")
        if not (self.decay >= 0 and math.isfinite(self.decay)):
            raise ValueError(f"method.decay: {self.decay} is not a finite number from 0 on")

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("distribution",)

    def initial_density(self, target: float) -> float:
        """Start dense."""
        return 1.0

    def learned(self, masks: Masks) -> Learned:
        """Return s of each layer."""
        values = [masks.weight(layer).new_full((1,), self.init) for layer in range(len(masks))]
        return Learned({_NAME: values}, self.decay)

    def forward_weight(self, weight: Tensor, mask: Tensor, layer: int, masks: Masks) -> Tensor:
        """Return the weights above the threshold, shrunk by it."""
        return shrunk(weight, masks.learned(_NAME)[layer]) * mask

    def event(self, moment: Moment) -> Event | None:
        """Set the masks every ``interval`` iterations."""
        return None if moment.step % self.interval else Event()

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Keep the weights above the thresholds."""
        if target < 1:
            self.finish(masks, target)

    def finish(self, masks: Masks, target: float) -> None:
        """Keep the weights above the thresholds."""
        thresholds = [s.detach().sigmoid() for s in masks.learned(_NAME)]
        masks.set_all({layer: masks.magnitude(layer) > threshold for layer, threshold in enumerate(thresholds)})


def shrunk(weight: Tensor, s: Tensor) -> Tensor:
    """Return ``sign(weight) relu(|weight| - sigmoid(s))`` (equation 3)."""
    return weight.sign() * (weight.abs() - s.sigmoid()).relu()
