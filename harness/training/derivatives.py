"""Derivatives with respect to the masked weights: gradients, Hessian products, synaptic flow."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from harness.budget.inputs import Inputs
from harness.budget.parts import Layers
from methods.parts.rows import Rows

Part = tuple[Tensor, Tensor, float]
"""Inputs, their targets, and their share of all samples that the loss is averaged over."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Returns the mean loss of inputs and targets."""


def gradient(loss: Loss, parts: Iterable[Part], parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradient of the mean loss over all parts, in the parameters' shapes."""
    total = [torch.zeros_like(parameter) for parameter in parameters]
    for inputs, targets, share in parts:
        found = torch.autograd.grad(share * loss(inputs, targets), parameters, materialize_grads=True)
        torch._foreach_add_(total, found)
    return total


def hessian_product(
    loss: Loss, parts: Iterable[Part], parameters: Sequence[Tensor], vector: Sequence[Tensor]
) -> list[Tensor]:
    """Return the Hessian of the mean loss over all parts times a vector, by differentiating the gradient again.

    It is accumulated in the parameters' ``grad``, which has to be None before, and so are the products of other
    parameters: `torch.autograd.grad` would leave out, without an error, functions that have no second derivative.
    """
    with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
        for inputs, targets, share in parts:
            mean = share * loss(inputs, targets)
            found = torch.autograd.grad(mean, parameters, create_graph=True, materialize_grads=True)
            torch.stack([(one * other).sum() for one, other in zip(found, vector, strict=True)]).sum().backward()
    return [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]


def gradient_and_hessian_product(
    loss: Loss, part: Part, parameters: Sequence[Tensor], total: Callable[[list[Tensor]], None] | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the gradient of the mean loss over one part, and the Hessian times it, from a single graph.

    See `hessian_product`; it would repeat the forward and the backward pass.

    Args:
        loss: Mean loss.
        part: What it is taken of.
        parameters: See `hessian_product`.
        total: Adds to the gradient, in place, what other processes have found on their parts; the product is then
            this part's Hessian times the whole gradient.
    """
    inputs, targets, share = part
    with sdpa_kernel(SDPBackend.MATH):
        found = torch.autograd.grad(
            share * loss(inputs, targets), parameters, create_graph=True, materialize_grads=True
        )
        gradients = [each.detach().clone() for each in found]
        if total is not None:
            total(gradients)
        torch.stack([(one * other).sum() for one, other in zip(found, gradients, strict=True)]).sum().backward()
    return gradients, [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]


def flow(model: nn.Module, layers: Layers, inputs: Inputs | Sequence[int]) -> list[Tensor]:
    """Return the synaptic flow through each masked weight (Tanaka et al. 2020, section 5).

    R is the sum of the outputs for an input of ones, with all parameters replaced by their absolute values. The score
    of a weight is ``abs(w * dR/dw)``. It is computed in float64, since R exceeds float32 on deep networks. Where inputs
    are tokens, which have no ones, it is the sum for the tokens in turn: 0, 1, 2 and so on.

    Args:
        model: In evaluation mode.
        layers: The masked weights; where one is 0, as outside the masks, so is its score.
        inputs: What the model takes; or the shape of an input of floats.

    Returns:
        Scores, float64, in the form of `by_layer`.
    """
    names = {parameter: name for name, parameter in model.named_parameters()}
    absolute = {name: parameter.detach().double().abs() for parameter, name in names.items()}
    buffers = {
        name: buffer.double() if buffer.is_floating_point() else buffer for name, buffer in model.named_buffers()
    }
    weights = [absolute[names[parameter]].requires_grad_() for parameter in parameters_of(layers)]
    total = functional_call(model, {**absolute, **buffers}, (_ones(Inputs.of(inputs), weights[0].device),)).sum()
    found = torch.autograd.grad(total, weights, materialize_grads=True)
    return by_layer([(weight.detach() * each).abs() for weight, each in zip(weights, found, strict=True)], layers)


def _ones(inputs: Inputs, device: torch.device) -> Tensor:
    if inputs.tokens is None:
        return torch.ones(1, *inputs.shape, dtype=torch.float64, device=device)
    return torch.arange(math.prod(inputs.shape), device=device).remainder(inputs.tokens).view(1, *inputs.shape)


def parameters_of(layers: Layers) -> list[nn.Parameter]:
    """Return the parameters that hold the masked weights, each once: a packed one holds several layers."""
    return list(dict.fromkeys(weight.parameter if isinstance(weight, Rows) else weight for _, weight in layers))


def by_layer(tensors: Sequence[Tensor], layers: Layers) -> list[Tensor]:
    """Return each layer's part, flat, of tensors that belong to `parameters_of`."""
    whole = dict(zip(parameters_of(layers), tensors, strict=True))
    parts = (weight.of(whole[weight.parameter]) if isinstance(weight, Rows) else whole[weight] for _, weight in layers)
    return [part.reshape(-1) for part in parts]
