"""Masks over layers in the middle of a run, without a run, and what selections must give."""

import torch
from torch import nn

from methods import Masks
from methods.parts.distributions import layer_counts

NET = [(8, 1, 3, 3), (12, 8, 3, 3), (12, 12), (5, 12)]


def best(scores, k, among):
    """Return what `top_k_each` must mark, by sorting: highest score first, then lowest index."""
    ranked = sorted((i for i in range(len(scores)) if among[i]), key=lambda i: (-scores[i], i))
    return set(ranked[:k])


def marked(mask):
    return set(mask.nonzero().flatten().tolist())


class Layers:
    """Masks over layers whose weights, gradients and optimiser state are random, as in the middle of a run."""

    def __init__(self, shapes=NET, density=0.3, optimizer="sgd", seed=0):
        draw = torch.Generator().manual_seed(seed)
        self.weights = [nn.Parameter(torch.randn(shape, generator=draw)) for shape in shapes]
        layers = [(f"layer{i}", weight) for i, weight in enumerate(self.weights)]
        self.masks = Masks(layers, torch.Generator().manual_seed(seed))
        self.optimizer = make_optimizer(optimizer, self.weights)
        self.masks.attach(self.optimizer)
        self.masks.initialise(layer_counts(shapes, [density] * len(shapes), density))
        for weight in self.weights:
            weight.grad = torch.randn(weight.shape, generator=draw)
        self.masks.mask_gradients()
        self.optimizer.step()
        for weight in self.weights:
            weight.grad = torch.randn(weight.shape, generator=draw)
        self.masks.hold_gradients()

    def tensors(self, layer):
        """Return copies of a layer's weight and the state tensors of its shape, flat."""
        state = self.optimizer.state[self.weights[layer]].values()
        tensors = [self.weights[layer], *(value for value in state if value.shape == self.weights[layer].shape)]
        return [tensor.detach().flatten().clone() for tensor in tensors]

    def alive(self):
        return [self.masks.alive(layer) for layer in range(len(self.masks))]


def make_optimizer(name, weights):
    if name == "adamw":
        return torch.optim.AdamW(weights, lr=0.01, weight_decay=0.1, fused=True)
    return torch.optim.SGD(weights, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01, fused=True)
