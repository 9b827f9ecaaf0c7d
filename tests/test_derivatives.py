"""Gradients, Hessian products and synaptic flow against the formulas, in float64."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.training.derivatives import flow, gradient, gradient_and_hessian_product, hessian_product


def linear_layers(model):
    return [(name, weight) for name, weight in model.named_parameters() if weight.ndim > 1]


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def regression(samples=12, inputs=5, classes=4, seed=0):
    """Return a linear classifier and its data in float64, in torch and in NumPy."""
    draws = np.random.default_rng(seed)
    images, weight = draws.normal(size=(samples, inputs)), draws.normal(size=(classes, inputs))
    labels = draws.integers(classes, size=samples)
    return images, labels, weight


def loss_of(weight, temperature=1.0):
    return lambda images, labels: F.cross_entropy(images @ weight.T / temperature, labels)


def test_the_gradient_is_that_of_the_mean_loss_over_all_parts():
    images, labels, weight = regression()
    expected = (softmax(images @ weight.T) - np.eye(4)[labels]).T @ images / len(images)
    parameter = nn.Parameter(torch.tensor(weight))
    pieces = [slice(0, 3), slice(3, 12)]
    parts = [(torch.tensor(images[p]), torch.tensor(labels[p]), (p.stop - p.start) / 12) for p in pieces]
    (found,) = gradient(loss_of(parameter), parts, [parameter])
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-15)
    assert parameter.grad is None


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_the_hessian_product_is_that_of_the_explicit_hessian(temperature):
    """Of softmax regression: the sum over images of (diag(p) - p p') times the outer product of the image."""
    images, labels, weight = regression()
    vector = np.random.default_rng(1).normal(size=weight.shape)
    hessian = np.zeros((weight.size, weight.size))
    for image, chances in zip(images, softmax(images @ weight.T / temperature), strict=True):
        hessian += np.kron(np.diag(chances) - np.outer(chances, chances), np.outer(image, image))
    expected = hessian @ vector.ravel() / len(images) / temperature**2
    parameter = nn.Parameter(torch.tensor(weight))
    parts = [(torch.tensor(images), torch.tensor(labels), 1.0)]
    (found,) = hessian_product(loss_of(parameter, temperature), parts, [parameter], [torch.tensor(vector)])
    np.testing.assert_allclose(found.numpy().ravel(), expected, rtol=1e-10, atol=1e-18)
    first = (softmax(images @ weight.T / temperature) - np.eye(4)[labels]).T @ images / len(images) / temperature
    parameter.grad = None
    (one,), (other,) = gradient_and_hessian_product(loss_of(parameter, temperature), parts[0], [parameter])
    np.testing.assert_allclose(one.numpy(), first, rtol=1e-10, atol=1e-18)
    product = hessian @ first.ravel() / len(images) / temperature**2
    np.testing.assert_allclose(other.numpy().ravel(), product, rtol=1e-9, atol=1e-18)


def test_the_hessian_product_of_a_deep_net_is_that_of_torch_s_explicit_hessian():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    images, labels = torch.randn(7, 4, dtype=torch.float64), torch.randint(3, (7,))
    weights = [net[0].weight, net[2].weight]

    def loss(first, second):
        hidden = torch.tanh(F.linear(images, first, net[0].bias))
        return F.cross_entropy(F.linear(hidden, second, net[2].bias), labels)

    vector = [torch.randn_like(weight) for weight in weights]
    blocks = torch.autograd.functional.hessian(loss, tuple(weight.detach() for weight in weights))
    expected = [
        sum(torch.tensordot(block, other, other.ndim) for block, other in zip(row, vector, strict=True))
        for row in blocks
    ]
    parts = [(images[:3], labels[:3], 3 / 7), (images[3:], labels[3:], 4 / 7)]
    found = hessian_product(lambda images, labels: F.cross_entropy(net(images), labels), parts, weights, vector)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other.detach(), rtol=1e-10, atol=1e-14)


def test_synaptic_flow_of_a_linear_chain_is_the_product_of_absolute_weights():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    one, two, three = (net[i].weight.detach().double().abs().numpy() for i in (1, 3, 5))
    into = [np.ones(6)]
    for weight, layer in ((one, 1), (two, 3)):
        into.append(weight @ into[-1] + net[layer].bias.detach().double().abs().numpy())
    out = [np.ones(3) @ three @ two, np.ones(3) @ three, np.ones(3)]
    expected = [w * np.outer(after, before) for w, after, before in zip((one, two, three), out, into, strict=True)]
    found = flow(net.eval(), linear_layers(net), (1, 2, 3))
    for scores, product in zip(found, expected, strict=True):
        assert scores.dtype == torch.float64
        np.testing.assert_allclose(scores.numpy(), product.ravel(), rtol=1e-12)


def test_synaptic_flow_of_convolutions_is_what_the_output_loses_without_each_weight():
    """R is linear in each weight, so w dR/dw is what the output loses without it."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2), nn.Flatten()
    )
    net[1].running_var.fill_(0.3)
    net[1].weight.data.fill_(-2.0)
    absolute = copy.deepcopy(net).double().eval()
    with torch.no_grad():
        for parameter in absolute.parameters():
            parameter.abs_()
        ones = torch.ones(1, 2, 4, 4, dtype=torch.float64)
        whole = absolute(ones).sum()
        weight = absolute[4].weight
        expected = []
        for index in itertools.product(*map(range, weight.shape)):
            before = weight[index].clone()
            weight[index] = 0
            expected.append(float(whole - absolute(ones).sum()))
            weight[index] = before
    layers = [(name, net.get_parameter(name)) for name in ("0.weight", "4.weight")]
    found = flow(net.eval(), layers, (2, 4, 4))
    np.testing.assert_allclose(found[1].numpy(), expected, rtol=1e-9)
    assert (found[0] > 0).all()


def test_a_pruned_weight_has_no_flow_and_takes_part_in_none():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        net[1].weight[1] = 0
    first, second = flow(net.eval(), linear_layers(net), (1, 2, 2))
    assert not first.view(3, 4)[1].any()
    assert not second.view(2, 3)[:, 1].any()
    assert float(first.sum()) == pytest.approx(float(second.sum()), rel=1e-12)
