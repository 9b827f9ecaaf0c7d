"""Methods of a few lines that take what the harness offers, one offer or all."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from methods import Event, Learned, Method, Pattern, Probe, Rewinding
from methods.parts.patterns import largest_in_groups


@dataclass
class Scored(Method):
    """Keeps the weights with the largest signed products of weight and gradient, more and fewer of them in turn."""

    interval: int = 4

    def event(self, moment):
        return None if moment.step % self.interval else Event(dense_gradient=True)

    def density(self, moment, target):
        return min(2 * target, 1.0) if moment.step // self.interval % 2 and moment.position < 0.8 else target

    def update(self, masks, moment, target):
        scores = [-masks.weight(layer) * masks.gradient(layer) for layer in range(len(masks))]
        masks.keep(scores, round(self.density(moment, target) * masks.maskable))


@dataclass
class StraightThrough(Method):
    """The largest weights of each layer serve the network, all are trained."""

    interval: int = 4
    also: bool = True

    def start(self, masks, target):
        super().start(masks, target)
        if target < 1 and self.also:
            masks.train_also({layer: torch.ones(size, dtype=torch.bool) for layer, size in enumerate(masks.sizes)})

    def gradient_counts(self, shapes, active, target):
        return [math.prod(shape) for shape in shapes] if self.also else None

    def event(self, moment):
        return None if moment.step % self.interval else Event()

    def update(self, masks, moment, target):
        masks.keep_layers([masks.magnitude(layer) for layer in range(len(masks))], masks.active)

    def forward_weight(self, weight, mask, layer, masks):
        return weight + (weight * mask - weight).detach()


@dataclass
class Everything(StraightThrough):
    """Forward weights with a learned scale, own decay, a momentum of its own, and last masks."""

    own_decay: ClassVar[bool] = True
    decay: float = 0.01

    def learned(self, masks):
        return Learned({"scale": [torch.ones(1) for _ in masks.sizes]}, weight_decay=0.02)

    def start(self, masks, target):
        super().start(masks, target)
        if target < 1:
            masks.remember("momentum", [torch.zeros(size) for size in masks.sizes])

    def forward_weight(self, weight, mask, layer, masks):
        outside = weight * (1 - mask)
        return weight * mask * masks.learned("scale")[layer] + outside - outside.detach()

    def each_step(self, masks):
        for layer, momentum in enumerate(masks.memory["momentum"]):
            momentum.lerp_(masks.gradient(layer), 0.1)
            masks.add_to_gradient(layer, self.decay * masks.weight(layer))

    def update(self, masks, moment, target):
        if target == 1:
            return
        if moment.step % (2 * self.interval):
            masks.train_also(None)
        else:
            self.start_training_half(masks)
        momentum = masks.memory["momentum"]
        scores = [masks.magnitude(layer) + momentum[layer].abs() for layer in range(len(masks))]
        masks.keep(scores, sum(masks.active))

    def start_training_half(self, masks):
        chosen = {layer: (masks.random(layer) < 0.5) | masks.alive(layer) for layer in range(len(masks))}
        masks.train_also(chosen)

    def finish(self, masks, target):
        masks.keep([masks.magnitude(layer) for layer in range(len(masks))], round(target * masks.maskable))


@dataclass
class Rewound(Everything):
    """The same, in two rounds that go back to the weights of an early step."""

    def rewinding(self, target):
        return Rewinding(1, 0.3, weights=True)


@dataclass
class Sensitive(Method):
    """SNIP in a few lines."""

    prunes_globally: ClassVar[bool] = True

    def probe(self, target):
        return Probe(batches=1)

    def start(self, masks, target):
        if target < 1:
            scores = [(masks.weight(layer) * masks.gradient(layer)).abs() for layer in range(len(masks))]
            masks.keep(scores, round(target * masks.maskable))


@dataclass
class TwoOfFour(StraightThrough):
    """The two largest of every four weights, chosen anew in every step; layers that cannot be so divided stay dense."""

    interval: int = 0

    def pattern(self, target):
        return Pattern("n:m", 2, 4) if target < 1 else None

    def layer_counts(self, shapes, density, active=None):
        return self.pattern(density).counts(shapes) if density < 1 else [math.prod(shape) for shape in shapes]

    def forward_weight(self, weight, mask, layer, masks):
        if Pattern("n:m", 2, 4).holds_for(weight.shape):
            masks.move(layer, largest_in_groups(weight.detach().abs(), 2, 4))
        return weight + (weight * mask - weight).detach()


TOYS = {
    "scored": Scored,
    "straight_through": StraightThrough,
    "everything": Everything,
    "rewound": Rewound,
    "two_of_four": TwoOfFour,
    "sensitive": Sensitive,
}
