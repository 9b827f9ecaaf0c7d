"""SRigL: RigL with a constant fan-in and ablation of neurons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Look, Moment, check_fraction
from methods.parts import fan_in
from methods.parts.distributions import Shape
from methods.parts.patterns import Pattern
from methods.parts.schedules import cosine_fraction
from methods.registry import register
from methods.rigl import RigL

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks


@register("srigl")
@dataclass
class SRigL(RigL):
    """SRigL (Lasby et al. 2024): RigL in which all active neurons of a layer have the same number of inputs.

    Layers have the budgets of their distribution, ERK by default. At an event a layer drops its smallest weights, and
    each active neuron grows where its dense gradient is largest until it has the layer's fan-in. A weight is salient if
    it is kept or its gradient is among the layer's largest, of which as many count as were dropped. A neuron with fewer
    salient weights than ``ablation`` times the fan-in is ablated: it has no inputs, and the others share its weights.
    The fan-in meant here is the layer's budget divided by all its neurons. As in the released code, an ablated neuron
    returns once it has enough salient weights, the last layer keeps all neurons, and no layer loses so many that the
    others could not hold its budget.

    A common fan-in moves a layer's count in steps of its neurons. Fan-ins are rounded so that the network's total is
    nearest to the target. It may miss it by half of the widest layer's neurons, but by no more than 1 % of the target;
    a network where it would is refused.

    Attributes:
        ablation: Share of the fan-in below which a neuron is ablated, gamma_sal in the paper: 0.3 for convolutional
            networks, 0.95 for vision transformers; 0 for no ablation.
    """

    family: ClassVar[str] = "structured"
    summary: ClassVar[str] = "RigL with equally many inputs to each neuron of a layer, and neurons that may go."
    paper: ClassVar[str] = "Lasby et al. 2024, arXiv:2305.02299"
    look: ClassVar[Look | None] = Look("#aa4499", "bowtie").hollow()

    prunes_globally: ClassVar[bool] = True  # ablation and rounding move weights between layers

    ablation: float = 0.3

    def __post_init__(self) -> None:
        """See `Method.__post_init__`."""
        super().__post_init__()
        check_fraction("ablation", self.ablation)
        if self.growth != "gradient":
            raise ValueError(f"method.growth: {self.growth!r} is not gradient, which srigl finds salient weights by")

    def pattern(self, target: float) -> Pattern | None:
        """Return a constant fan-in."""
        return Pattern("fan_in") if target < 1 else None

    def layer_counts(self, shapes: Sequence[Shape], density: float, active: Sequence[int] | None = None) -> list[int]:
        """Active weights of the layers as long as no neuron is ablated.

        Raises:
            ValueError: No common fan-ins come close enough to the density.
        """
        neurons, inputs = self._first(shapes, super().layer_counts(shapes, density), density)
        return [count * each for count, each in zip(neurons, inputs, strict=True)]

    def start(self, masks: Masks, target: float) -> None:
        """Draw the inputs of each neuron."""
        if target == 1:
            return
        neurons, inputs = self._first(masks.shapes, super().layer_counts(masks.shapes, target), target)
        masks.set_all(
            {
                layer: fan_in.drawn(masks.random(layer).view(shape[0], -1), neurons[layer], inputs[layer])
                for layer, shape in enumerate(masks.shapes)
            }
        )

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Drop by magnitude in each layer, ablate neurons, and grow by gradient up to the fan-in.

        Where the fan-ins of the neurons that stay would miss the target, the event ablates none.
        """
        budgets = super().layer_counts(masks.shapes, target)
        sparse = [layer for layer, budget in enumerate(budgets) if budget < masks.sizes[layer]]
        kept, salient = self._kept(masks, sparse, moment.position)
        for ablation in (self.ablation, 0.0):
            neurons = fan_in.most_neurons(budgets, masks.shapes)
            staying = {}
            for layer in sparse:
                share = ablation if layer < len(masks) - 1 else 0.0
                most = masks.sizes[layer] // masks.shapes[layer][0]
                staying[layer] = fan_in.survivors(salient[layer], budgets[layer], most, share)
                neurons[layer] = len(staying[layer])
            inputs = fan_in.fan_ins(budgets, neurons, masks.shapes, _total(masks.shapes, target))
            if not _missed(neurons, inputs, masks.shapes, target):
                break
        new = {}
        for layer in sparse:
            rows = (masks.shapes[layer][0], -1)
            magnitude, gradient = masks.magnitude(layer).view(rows), masks.gradient_magnitude(layer).view(rows)
            new[layer] = fan_in.filled(kept[layer].view(rows), magnitude, gradient, staying[layer], inputs[layer])
        masks.set_all(new)

    def _first(self, shapes: Sequence[Shape], budgets: list[int], density: float) -> tuple[list[int], list[int]]:
        """Return the active neurons of the layers before any is ablated, and their fan-ins."""
        neurons = fan_in.most_neurons(budgets, shapes)
        inputs = fan_in.fan_ins(budgets, neurons, shapes, _total(shapes, density))
        if missed := _missed(neurons, inputs, shapes, density):
            raise ValueError(
                f"{self.name or 'srigl'}: with one fan-in for each layer the nearest is {missed:,} of "
                f"{_total(shapes, density):,} weights, over 1 % off"
            )
        return neurons, inputs

    def _kept(self, masks: Masks, sparse: list[int], position: float) -> tuple[dict[int, Tensor], dict[int, list[int]]]:
        """Return what remains of layers after dropping, bool and flat, and the salient weights of each neuron."""
        from methods.parts.select import top_k_each

        fraction = cosine_fraction(position, self.fraction, end=self.final_fraction, until=self.until)
        dropped = [self.exchanged(fraction, masks.active[layer]) for layer in sparse]
        remaining = [masks.active[layer] - count for layer, count in zip(sparse, dropped, strict=True)]
        kept = top_k_each(
            [masks.magnitude(layer) for layer in sparse], remaining, [masks.alive(layer) for layer in sparse]
        )
        wanted = top_k_each([masks.gradient(layer) for layer in sparse], dropped, [~mask for mask in kept])
        salient = {}
        for layer, old, new in zip(sparse, kept, wanted, strict=True):
            salient[layer] = (old | new).view(masks.shapes[layer][0], -1).sum(1).tolist()
        return dict(zip(sparse, kept, strict=True)), salient


def _total(shapes: Sequence[Shape], density: float) -> int:
    """Return the active weights of a network."""
    return round(density * sum(math.prod(shape) for shape in shapes))


def _missed(neurons: Sequence[int], inputs: Sequence[int], shapes: Sequence[Shape], density: float) -> int:
    """Return the active weights of a network if they miss the target by more than is allowed; else 0."""
    total = _total(shapes, density)
    reached = sum(count * each for count, each in zip(neurons, inputs, strict=True))
    return reached if abs(reached - total) > Pattern("fan_in").tolerance(shapes, total) else 0
