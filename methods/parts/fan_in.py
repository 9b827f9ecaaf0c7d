"""Constant fan-in: how many inputs the neurons of a layer have, which of them stay, and where their inputs are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from methods.parts.distributions import Shape

if TYPE_CHECKING:
    from torch import Tensor


def most_neurons(budgets: Sequence[int], shapes: Sequence[Shape]) -> list[int]:
    """Return how many neurons of each layer can be active: all, unless it has fewer weights than neurons."""
    return [min(budget, shape[0]) for budget, shape in zip(budgets, shapes, strict=True)]


def fan_ins(budgets: Sequence[int], neurons: Sequence[int], shapes: Sequence[Shape], total: int) -> list[int]:
    """Return the fan-in of each layer: its budget divided by its active neurons, rounded so that the total fits.

    Each layer is rounded down. Then those are raised by one whose neurons add up to what is missing, large remainders
    first. What is still missing goes to the narrowest layer. So the total misses its target by at most half of the
    widest layer's neurons, and mostly by half of the narrowest's.

    Args:
        budgets: Active weights that each layer should have.
        neurons: Active neurons of each layer: enough to hold its budget, and at most as many as that.
        shapes: Weight shapes, (out, in, *kernel).
        total: Active weights that all layers together should have.
    """
    most = [math.prod(shape[1:]) for shape in shapes]
    found = [budget // count if count else 0 for budget, count in zip(budgets, neurons, strict=True)]
    missing = total - sum(count * inputs for count, inputs in zip(neurons, found, strict=True))
    roomy = [layer for layer, count in enumerate(neurons) if count and found[layer] < most[layer]]
    roomy.sort(key=lambda layer: (found[layer] - budgets[layer] / neurons[layer], layer))
    for place in _nearest([neurons[layer] for layer in roomy], missing):
        found[roomy[place]] += 1
        missing -= neurons[roomy[place]]
    if roomy:
        narrowest = min(roomy, key=lambda layer: (neurons[layer], layer))
        wanted = found[narrowest] + round(missing / neurons[narrowest])
        found[narrowest] = min(max(wanted, 1), most[narrowest])
    return found


def survivors(salient: Sequence[int], budget: int, inputs: int, share: float) -> list[int]:
    """Return the neurons of a layer that stay active, in their order.

    Args:
        salient: Salient weights of each neuron.
        budget: Active weights of the layer, which the survivors have to hold.
        inputs: Inputs of a neuron, active or not.
        share: Of the fan-in that all neurons would have; a neuron with fewer salient weights goes.

    Returns:
        The neurons with enough salient weights; the most salient ones, the first of equals, where the budget takes
        more neurons than those or allows fewer.
    """
    enough = sum(count >= share * budget / len(salient) for count in salient)
    number = min(max(enough, math.ceil(budget / inputs)), len(salient), budget)
    best = sorted(range(len(salient)), key=lambda neuron: (-salient[neuron], neuron))
    return sorted(best[:number])


def drawn(scores: Tensor, neurons: int, fan_in: int) -> Tensor:
    """Draw masks of a constant fan-in.

    Args:
        scores: Random, shape (out, in).
        neurons: Active neurons; if not all, those with the largest sums of scores.
        fan_in: Inputs of each of them.

    Returns:
        Bool, shape (out, in).
    """
    active = scores.sum(1).argsort(descending=True, stable=True)[:neurons]
    return _first(scores.argsort(dim=1, descending=True, stable=True), active, fan_in)


def filled(kept: Tensor, magnitude: Tensor, gradient: Tensor, neurons: Sequence[int], fan_in: int) -> Tensor:
    """Fill up neurons to a fan-in: first with what is kept, by magnitude, then with others, by gradient.

    Args:
        kept: Bool, shape (out, in).
        magnitude: Magnitudes of the weights, same shape.
        gradient: Magnitudes of the gradients, same shape.
        neurons: Indices of the active neurons.
        fan_in: Inputs of each of them.

    Returns:
        Bool, shape (out, in); other neurons have no inputs. Of equal scores the first are taken.
    """
    by_score = gradient.where(~kept, magnitude).argsort(dim=1, descending=True, stable=True)
    kept_first = kept.gather(1, by_score).byte().argsort(dim=1, descending=True, stable=True)
    return _first(by_score.gather(1, kept_first), neurons, fan_in)


def _first(order: Tensor, neurons: Tensor | Sequence[int], count: int) -> Tensor:
    """Return a mask of the first inputs of some neurons, in an order of their own, shape (out, in)."""
    mask = order.new_zeros(order.shape).bool()
    mask[neurons] = mask[neurons].scatter(1, order[neurons, :count], True)
    return mask


def _nearest(sizes: Sequence[int], wanted: int) -> list[int]:
    """Return places of sizes that add up to a sum nearest to ``wanted``, the first ones where there is a choice."""
    reached = [1]  # bit s is set if some of the sizes so far add up to s
    for size in sizes:
        reached.append(reached[-1] | reached[-1] << size)
    sums = [value for value in range(reached[-1].bit_length()) if reached[-1] >> value & 1]
    left = min(sums, key=lambda value: abs(value - wanted))
    chosen = []
    for place in reversed(range(len(sizes))):
        if not reached[place] >> left & 1:
            chosen.append(place)
            left -= sizes[place]
    return chosen[::-1]
