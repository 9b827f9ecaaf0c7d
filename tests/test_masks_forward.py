"""Forward weights other than the stored ones: values, gradients, freezing, and the stored weights in every event."""

import pytest
import torch
from networks import Attentive, Tied
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from harness.budget.parts import parts
from methods import Learned, Masks
from methods.parts.rows import Rows

IMAGES, LABELS = (torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 5)


def straight_through(weight, mask, layer):
    return weight + (weight * mask - weight).detach()


def squared(weight, mask, layer):
    """A function whose derivative is not 1, so that a wrong mapping of gradients is seen."""
    return weight * weight.abs() * mask


class Net:
    """A model whose matrices are masked at a half, with forward weights."""

    def __init__(self, model=None, function=squared, decay=0.0, learned=None, optimizer=None):
        torch.manual_seed(0)
        self.model = model() if model else nn.Sequential(nn.Flatten(), nn.Linear(192, 12), nn.Tanh(), nn.Linear(12, 5))
        self.layers = [(part.name, part.weight) for part in parts(self.model) if part.weight.detach().ndim > 1]
        make = optimizer or (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=decay, fused=True))
        self.optimizer = make(self.model.parameters())
        self.masks = Masks(self.layers, torch.Generator().manual_seed(0))
        self.masks.attach(self.optimizer)
        if learned:
            self.masks.learn(learned)
        self.masks.use(function)
        self.masks.initialise([size // 2 for size in self.masks.sizes])
        self.masks.begin()

    def stored(self):
        return [weight.detach().clone() for _, weight in self.layers]

    def loss(self):
        return F.cross_entropy(self.model(IMAGES), LABELS)

    def step(self):
        self.optimizer.zero_grad()
        with self.masks.forward.training():
            loss = self.loss()
            loss.backward()
        self.masks.mask_gradients()
        self.optimizer.step()
        self.masks.freeze()
        return loss.detach()


def written_out(net, function):
    """Return loss and gradients of the stored weights with forward weights computed inside the network's own graph."""
    stored = {name: p.detach().clone().requires_grad_() for name, p in net.model.named_parameters()}
    used = dict(stored)
    masks = dict(net.masks.tensors())
    names = {id(p): name for name, p in net.model.named_parameters()}
    found = {}
    for layer, (name, weight) in enumerate(net.layers):
        if isinstance(weight, Rows):
            whole = names[id(weight.parameter)]
            found.setdefault(whole, []).append((weight, masks[name].float(), layer))
        else:
            used[name] = function(stored[name], masks[name].float(), layer)
    for whole, rows in found.items():
        used[whole] = torch.cat([function(row.of(stored[whole]), mask, layer) for row, mask, layer in rows])
    loss = F.cross_entropy(functional_call(net.model, used, (IMAGES,)), LABELS)
    loss.backward()
    return loss.detach(), {name: tensor.grad for name, tensor in stored.items()}


@pytest.mark.parametrize("model", [None, Tied, lambda: Attentive(need_weights=False)], ids=["mlp", "tied", "packed"])
def test_loss_and_gradients_are_those_of_the_function_inside_the_network(model):
    net = Net(model)
    loss, gradients = written_out(net, squared)
    before = net.stored()
    with net.masks.forward.training():
        held = net.loss()
        held.backward()
    assert torch.equal(held.detach(), loss)
    for name, parameter in net.model.named_parameters():
        assert torch.allclose(parameter.grad, gradients[name], rtol=1e-5, atol=1e-7), name
    assert all(torch.equal(a, b) for a, b in zip(before, net.stored(), strict=True))


def test_a_straight_through_gradient_reaches_inactive_weights_and_trains_them_alone_where_requested():
    net = Net(function=straight_through)
    alive = [net.masks.alive(layer) for layer in range(2)]
    also = alive[0].clone()
    also[(~alive[0]).nonzero()[:100]] = True
    net.masks.train_also({0: also})
    assert net.masks.trained == [int(also.sum()), net.masks.active[1]]
    before = net.stored()
    net.step()
    moved = [(a != b).flatten() for a, b in zip(before, net.stored(), strict=True)]
    assert torch.equal(moved[0], also)
    assert torch.equal(moved[1], alive[1])
    assert net.masks.outside() == 0
    assert net.masks.exploration_rate() == (int(also.sum()) + net.masks.active[1]) / net.masks.maskable


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.3, fused=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.3, fused=True),
        lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.3, fused=True),
    ],
    ids=["sgd", "nesterov", "adamw"],
)
def test_frozen_weights_keep_every_bit_under_weight_decay_and_have_no_state(optimizer):
    net = Net(function=straight_through, optimizer=optimizer)
    before = net.stored()
    for _ in range(5):
        net.step()
    for layer, (old, new) in enumerate(zip(before, net.stored(), strict=True)):
        alive = net.masks.alive(layer).view(old.shape)
        assert torch.equal(old[~alive], new[~alive])
        assert (old != new)[alive].all()
        for value in net.optimizer.state[net.layers[layer][1]].values():
            assert value.shape != old.shape or not value[~alive].any()
    assert net.masks.outside() == 0


def test_weights_that_return_have_their_stored_value_and_a_fresh_state():
    net = Net(function=straight_through)
    net.step()
    alive, before = net.masks.alive(0), net.stored()[0].flatten()
    net.masks.set(0, ~alive)
    assert torch.equal(net.stored()[0].flatten(), before)
    assert not net.masks.state(0, "momentum_buffer").any()


def test_learned_tensors_get_their_gradient_and_their_own_decay():
    learned = Learned({"threshold": [torch.tensor([0.02]), torch.tensor([0.05])]}, weight_decay=0.5)

    def shrunk(weight, mask, layer):
        return weight.sign() * F.relu(weight.abs() - net.masks.learned("threshold")[layer]) * mask

    net = Net(function=shrunk, learned=learned)
    thresholds = [tensor.detach().clone() for tensor in net.masks.learned("threshold")]
    with net.masks.forward.training():
        net.loss().backward()
    gradients = [tensor.grad.clone() for tensor in net.masks.learned("threshold")]
    assert all(gradient.any() for gradient in gradients)
    for layer, gradient in enumerate(gradients):  # the derivative of the loss, by a difference
        step, losses = 1e-3, []
        for sign in (1, -1):
            with torch.no_grad():
                net.masks.learned("threshold")[layer].copy_(thresholds[layer] + sign * step)
            with net.masks.used(), torch.no_grad():
                losses.append(float(net.loss()))
        with torch.no_grad():
            net.masks.learned("threshold")[layer].copy_(thresholds[layer])
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(float(gradient), rel=0.1, abs=2e-3)
    net.step()
    for before, gradient, now in zip(thresholds, gradients, net.masks.learned("threshold"), strict=True):
        assert torch.allclose(now, before - 0.1 * (gradient + 0.5 * before))


def test_the_network_uses_forward_weights_in_evaluation_and_for_good_at_the_end():
    net = Net()
    stored = net.stored()
    expected = [weight * weight.abs() * mask for weight, (_, mask) in zip(stored, net.masks.tensors(), strict=True)]
    with net.masks.used():
        assert all(torch.equal(a, b) for a, b in zip(expected, net.stored(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(stored, net.stored(), strict=True))
    assert net.masks.nonzero() == net.masks.active
    net.step()
    with net.masks.used():
        expected = net.stored()
    net.masks.finish()
    assert all(torch.equal(a, b) for a, b in zip(expected, net.stored(), strict=True))
    assert net.masks.forward is None
    assert net.masks.outside() == 0


def test_storage_stays_where_it_is():
    net = Net()
    places = [weight.detach().data_ptr() for _, weight in net.layers]
    for _ in range(2):
        net.step()
        with net.masks.used():
            pass
    net.masks.finish()
    assert places == [weight.detach().data_ptr() for _, weight in net.layers]


@pytest.mark.parametrize("context", ["training", "evaluating"])
def test_an_error_on_the_way_leaves_the_stored_weights_in_place(context):
    net = Net()
    before = net.stored()
    with pytest.raises(KeyError), getattr(net.masks.forward, context)():
        raise KeyError
    assert all(torch.equal(a, b) for a, b in zip(before, net.stored(), strict=True))


def test_a_forward_weight_that_is_not_zero_outside_its_mask_is_found():
    net = Net(function=lambda weight, mask, layer: weight * 1.0)
    inactive = net.masks.maskable - sum(net.masks.active)
    assert net.masks.outside() == inactive
    net.masks.finish()
    assert net.masks.outside() == inactive


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda weight, mask, layer: weight.flatten(), r"forward_weight returns torch.float32 of shape \(2304,\) for"),
        (lambda weight, mask, layer: weight.double(), r"forward_weight returns torch.float64 of shape \(12, 192\) for"),
        (lambda weight, mask, layer: (weight * mask).detach(), "does not depend on the stored weights"),
    ],
)
def test_a_forward_weight_of_another_kind_is_refused(function, message):
    net = Net(function=function)
    before = net.stored()
    with pytest.raises(ValueError, match=message), net.masks.forward.training():
        pass
    assert all(torch.equal(a, b) for a, b in zip(before, net.stored(), strict=True))


def test_train_also_has_to_contain_the_active_weights_and_ends_with_none():
    net = Net(function=straight_through)
    alive = net.masks.alive(0)
    alive[alive.nonzero()[0]] = False
    with pytest.raises(ValueError, match=r"train_also: its mask of 1\.weight leaves 1 active weights out"):
        net.masks.train_also({0: alive})
    net.masks.train_also({layer: net.masks.alive(layer).fill_(True) for layer in range(2)})
    assert net.masks.trained == net.masks.sizes
    net.step()
    net.masks.train_also(None)
    assert net.masks.trained == net.masks.active
    assert net.masks.outside() == 0


def test_a_weight_that_leaves_the_mask_stays_trained_where_train_also_says_so():
    net = Net(function=straight_through)
    everything = {layer: torch.ones(size, dtype=torch.bool) for layer, size in enumerate(net.masks.sizes)}
    net.masks.train_also(everything)
    net.masks.move(0, net.masks.alive(0).roll(7))
    net.masks.set(1, ~net.masks.alive(1))
    net.step()
    assert net.masks.trained == net.masks.sizes
    for layer, (_, weight) in enumerate(net.layers):
        assert torch.equal(net.masks.state(layer, "momentum_buffer"), weight.grad.flatten())
        assert weight.grad.flatten()[~net.masks.alive(layer)].any()


def test_state_comes_back_into_the_same_storage():
    net, other = Net(function=straight_through), Net(function=straight_through)
    also = torch.ones(net.masks.sizes[0], dtype=torch.bool)
    net.masks.train_also({0: also})
    net.step()
    trains = [mask.data_ptr() for mask in other.masks.forward.trains]
    other.masks.load_state_dict(net.masks.state_dict())
    assert other.masks.trained == net.masks.trained
    assert trains == [mask.data_ptr() for mask in other.masks.forward.trains]
    net.masks.finish()
    other.masks.load_state_dict(net.masks.state_dict())
    assert other.masks.forward is None
