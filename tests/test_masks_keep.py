"""Masks from scores of one's own: counts are exact, ties go to the first, and what returns starts at zero."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from methods import Masks
from methods.parts.select import highest_each, highest_jointly

quick = settings(deadline=None, max_examples=60)

SHAPES = [(6, 2, 3, 3), (7, 6), (3, 7)]
# Few different values of both signs, so that ties and zeros are the rule.
SCORE = st.integers(-3, 3).map(float)
SCORES = st.lists(SCORE, min_size=1, max_size=40)


def best(scores, k):
    """Return the k highest signed scores by sorting: highest first, then lowest index, NaN last."""
    ranked = sorted(range(len(scores)), key=lambda i: (scores[i] != scores[i], -scores[i], i))
    return set(ranked[:k])


def marked(mask):
    return set(mask.flatten().nonzero().flatten().tolist())


class Net:
    """Masks over layers with random weights and optimiser state, and a random part of them active."""

    def __init__(self, seed=0, optimizer="sgd"):
        draw = torch.Generator().manual_seed(seed)
        self.weights = [nn.Parameter(torch.randn(shape, generator=draw)) for shape in SHAPES]
        self.masks = Masks([(f"layer{i}", w) for i, w in enumerate(self.weights)], torch.Generator().manual_seed(seed))
        self.optimizer = {
            "sgd": lambda: torch.optim.SGD(self.weights, lr=0.1, momentum=0.9),
            "adamw": lambda: torch.optim.AdamW(self.weights, lr=0.1),
        }[optimizer]()
        self.masks.attach(self.optimizer)
        self.masks.initialise([size // 2 for size in self.masks.sizes])
        for weight in self.weights:
            weight.grad = torch.randn(weight.shape, generator=draw)
        self.masks.mask_gradients()
        self.optimizer.step()

    def tensors(self, layer):
        weight = self.weights[layer]
        state = [value for value in self.optimizer.state[weight].values() if value.shape == weight.shape]
        return [tensor.detach().flatten().clone() for tensor in (weight, *state)]

    def alive(self):
        return [self.masks.alive(layer) for layer in range(len(self.masks))]

    def scores(self, seed):
        draw = torch.Generator().manual_seed(seed)
        return [torch.randint(-2, 3, shape, generator=draw).float() for shape in SHAPES]


@given(SCORES, st.data(), st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
@quick
def test_the_highest_signed_scores_are_marked_exactly_and_ties_go_to_the_first(scores, data, dtype):
    k = data.draw(st.integers(0, len(scores)))
    (found,) = highest_each([torch.tensor(scores, dtype=dtype)], [k])
    assert marked(found) == best(scores, k)


@given(st.lists(SCORES, min_size=1, max_size=4), st.data())
@quick
def test_the_highest_of_all_layers_together_go_by_model_order_where_they_tie(layers, data):
    scores = [score for layer in layers for score in layer]
    k = data.draw(st.integers(0, len(scores)))
    found = highest_jointly([torch.tensor(layer) for layer in layers], k)
    assert [part.numel() for part in found] == [len(layer) for layer in layers]
    assert marked(torch.cat(found)) == best(scores, k)


def test_nan_is_kept_last_and_the_two_zeros_tie():
    scores = torch.tensor([float("nan"), -1.0, -0.0, 0.0, float("-inf"), float("inf")])
    taken = [marked(highest_each([scores], [k])[0]) for k in range(7)]
    assert taken == [set(), {5}, {5, 2}, {5, 2, 3}, {5, 2, 3, 1}, {5, 2, 3, 1, 4}, {0, 1, 2, 3, 4, 5}]


def check_survivors(net, before, alive):
    """What stayed active kept weight and state; what became active has none, and what is inactive has none."""
    for layer, now in enumerate(net.alive()):
        for old, new in zip(before[layer], net.tensors(layer), strict=True):
            assert torch.equal(new[now & alive[layer]], old[now & alive[layer]])
            assert not new[now & ~alive[layer]].any()
            assert not new[~now].any()
    assert net.masks.active == net.masks.counted()
    assert net.masks.outside() == 0


@given(st.integers(0, 10_000), st.floats(0, 1), st.sampled_from(["sgd", "adamw"]), st.booleans())
@quick
def test_keep_is_exact_over_all_layers_and_regrown_weights_start_at_zero(seed, share, optimizer, flat):
    net = Net(seed, optimizer)
    before, alive = [net.tensors(layer) for layer in range(3)], net.alive()
    scores, count = net.scores(seed), int(share * net.masks.maskable)
    net.masks.keep([score.flatten() for score in scores] if flat else scores, count)
    assert marked(torch.cat(net.alive())) == best(torch.cat([score.flatten() for score in scores]).tolist(), count)
    assert sum(net.masks.active) == count
    check_survivors(net, before, alive)


@given(st.integers(0, 10_000), st.lists(st.floats(0, 1), min_size=3, max_size=3))
@quick
def test_keep_layers_is_exact_in_each_layer(seed, shares):
    net = Net(seed)
    before, alive = [net.tensors(layer) for layer in range(3)], net.alive()
    counts = [int(share * size) for share, size in zip(shares, net.masks.sizes, strict=True)]
    scores = net.scores(seed)
    net.masks.keep_layers(scores, counts)
    assert net.masks.active == counts
    for layer, score in enumerate(scores):
        assert marked(net.masks.alive(layer)) == best(score.flatten().tolist(), counts[layer])
    check_survivors(net, before, alive)


@given(st.integers(0, 10_000), st.floats(0, 1), st.booleans())
@quick
def test_set_takes_any_mask_and_counts_it(seed, share, flat):
    net = Net(seed)
    before, alive = [net.tensors(layer) for layer in range(3)], net.alive()
    drawn = torch.rand(SHAPES[1], generator=torch.Generator().manual_seed(seed)) < share
    net.masks.set(1, drawn.flatten() if flat else drawn)
    assert net.masks.active == [net.masks.sizes[0] // 2, int(drawn.sum()), net.masks.sizes[2] // 2]
    assert torch.equal(net.masks.alive(1), drawn.flatten())
    check_survivors(net, before, alive)
    drawn.fill_(True)  # the method's own: the mask stays as it was
    assert net.masks.active == net.masks.counted()


def test_move_keeps_the_storage_and_another_count_is_found():
    net = Net()
    places = [tensor.data_ptr() for tensor in (net.masks._alive[1], net.masks._masks[1], net.masks._explored[1])]
    rolled = net.masks.alive(1).roll(1)
    before, alive = [net.tensors(layer) for layer in range(3)], net.alive()
    net.masks.move(1, rolled)
    assert torch.equal(net.masks.alive(1), rolled)
    check_survivors(net, before, alive)
    net.masks.set(1, net.masks.alive(1).roll(1))
    assert places == [t.data_ptr() for t in (net.masks._alive[1], net.masks._masks[1], net.masks._explored[1])]
    net.masks.move(1, torch.ones(42, dtype=torch.bool))
    assert net.masks.active != net.masks.counted()


def test_exploration_counts_every_weight_that_was_ever_kept_set_or_moved():
    net = Net()
    ever = torch.cat(net.alive())
    changes = [
        lambda: net.masks.keep(net.scores(1), 40),
        lambda: net.masks.keep_layers(net.scores(2), [10, 10, 10]),
        lambda: net.masks.set_all({0: torch.arange(108) < 12, 2: torch.arange(21) > 15}),
        lambda: net.masks.move(1, net.masks.alive(1).roll(5)),
    ]
    for change in changes:
        change()
        ever |= torch.cat(net.alive())
    assert net.masks.exploration_rate() == int(ever.sum()) / len(ever)
    net.masks.begin()
    assert net.masks.exploration_rate() == net.masks.density


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, s: m.keep(s, -1), r"keep: -1 is not in 0\.\.\.171"),
        (lambda m, s: m.keep(s, 172), r"keep: 172 is not in 0\.\.\.171"),
        (lambda m, s: m.keep(s[:2], 5), "keep: there must be one score for each weight"),
        (lambda m, s: m.keep_layers(s, [1, 43, 1]), r"keep_layers: 43 is not in 0\.\.\.42, .* of layer1"),
        (lambda m, s: m.keep_layers([*s[:2], s[1]], [1, 1, 1]), "keep_layers: there must be one score"),
        (
            lambda m, s: m.set(1, torch.ones(41, dtype=torch.bool)),
            "set: the mask of layer1 must be bool, of 42 weights",
        ),
        (lambda m, s: m.set(1, torch.ones(42)), "set: the mask of layer1 must be bool"),
        (lambda m, s: m.move(0, torch.ones(42)), "move: the mask of layer0 must be bool, of 108 weights"),
        (lambda m, s: m.train_also({0: m.alive(0)}), "train_also: without forward_weight"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_changes_nothing(call, message):
    net = Net()
    before = net.alive()
    with pytest.raises(ValueError, match=message) as caught:
        call(net.masks, net.scores(0))
    assert "\n" not in str(caught.value)
    assert all(torch.equal(a, b) for a, b in zip(before, net.alive(), strict=True))
    assert net.masks.active == net.masks.counted()


def test_weights_state_and_gradients_are_read_signed_and_flat():
    net = Net(optimizer="adamw")
    assert torch.equal(net.masks.weight(0), net.weights[0].detach().flatten())
    assert torch.equal(net.masks.state(1, "exp_avg"), net.optimizer.state[net.weights[1]]["exp_avg"].flatten())
    assert net.masks.state(1, "momentum_buffer") is None
    net.masks.hold_gradients()
    assert torch.equal(net.masks.gradient(2), net.weights[2].grad.flatten())
    assert torch.equal(net.masks.gradient_magnitude(2), net.weights[2].grad.flatten().abs())
    net.masks.release_gradients()
    for read in (net.masks.gradient, net.masks.hessian_gradient, lambda layer: net.masks.flow()):
        with pytest.raises(RuntimeError, match="request"):
            read(0)


def test_an_event_that_requests_gradients_of_trained_weights_reads_no_others():
    net = Net()
    dense = [torch.randn(shape) for shape in SHAPES]
    for weight, gradient in zip(net.weights, dense, strict=True):
        weight.grad = gradient.clone()
    net.masks.hold_gradients(dense=False)
    for layer, gradient in enumerate(dense):
        assert torch.equal(net.masks.gradient(layer), gradient.flatten() * net.masks.alive(layer))
        assert torch.equal(net.weights[layer].grad, gradient)


def test_reset_state_is_as_before_the_first_step():
    net = Net(optimizer="adamw")
    net.masks.reset_state()
    assert not any(value.any() for state in net.optimizer.state.values() for value in state.values())


def test_random_scores_follow_the_generator_of_the_run():
    one, other = Net(3), Net(3)
    assert torch.equal(one.masks.random(0), other.masks.random(0))
    assert not torch.equal(one.masks.random(0), one.masks.random(0))
    assert ((one.masks.random(1) >= 0) & (one.masks.random(1) < 1)).all()


def test_memory_is_written_in_place_and_restored_into_the_same_storage_or_anew():
    net = Net()
    net.masks.remember("sums", [torch.zeros(3), torch.ones(2)])
    kept = net.masks.memory["sums"][0]
    net.masks.remember("sums", [torch.full((3,), 2.0), torch.ones(2)])
    assert net.masks.memory["sums"][0] is kept
    assert kept.tolist() == [2.0] * 3
    state = net.masks.state_dict()
    fresh = Net()
    fresh.masks.load_state_dict(state)
    assert [part.tolist() for part in fresh.masks.memory["sums"]] == [[2.0] * 3, [1.0] * 2]
    fresh.masks.memory["sums"][0].zero_()
    assert kept.tolist() == [2.0] * 3  # its own storage
    known = fresh.masks.memory["sums"][0]
    fresh.masks.load_state_dict(state)
    assert known.tolist() == [2.0] * 3
