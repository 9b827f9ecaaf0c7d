"""What always holds of selections, of masks and of what an event does to weights and optimiser state."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import NET, Layers, best, make_optimizer, marked
from torch import nn
from torch.nn import functional as F

from methods import Masks
from methods.parts.select import exchange_each, top_k_each

quick = settings(deadline=None, max_examples=60)

# Few different values, so that ties and zeros are the rule.
SCORES = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=40)


@given(SCORES, st.data())
@quick
def test_top_k_takes_exactly_k_and_among_ties_the_lowest_indices(scores, data):
    among = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    k = data.draw(st.integers(0, sum(among)))
    (found,) = top_k_each([torch.tensor(scores)], [k], [torch.tensor(among)])
    assert marked(found) == best(scores, k, among)


@given(SCORES, st.data())
@quick
def test_exchange_drops_the_smallest_and_grows_the_best_of_all_inactive(scores, data):
    size = len(scores)
    magnitude = data.draw(st.lists(st.integers(0, 4).map(float), min_size=size, max_size=size))
    alive = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    k = data.draw(st.integers(0, sum(alive)))
    (found,) = exchange_each(
        [torch.tensor(alive)], [sum(alive)], [torch.tensor(magnitude)], [torch.tensor(scores)], [k]
    )
    kept = best(magnitude, sum(alive) - k, alive)
    assert marked(found) == kept | best(scores, k, [i not in kept for i in range(size)])
    assert len(marked(found)) == sum(alive)


def test_what_was_just_dropped_may_grow_again():
    alive = torch.tensor([True, True, True, False])
    magnitude = torch.tensor([0.1, 2.0, 3.0, 0.0])
    (found,) = exchange_each([alive], [3], [magnitude], [torch.tensor([9.0, 0.0, 0.0, 1.0])], [1])
    assert found.tolist() == alive.tolist()


@given(
    st.integers(0, 10_000),
    st.floats(0.02, 0.98),
    st.floats(0, 1),
    st.sampled_from(["gradient", "random"]),
    st.sampled_from([("sgd", 2), ("adamw", 3)]),
)
@quick
def test_drop_and_grow_keeps_counts_and_survivors_and_starts_the_grown_at_zero(seed, density, share, growth, kind):
    optimizer, tensors = kind
    net = Layers(density=density, optimizer=optimizer, seed=seed)
    alive, active = net.alive(), list(net.masks.active)
    before = [net.tensors(layer) for layer in range(len(NET))]
    assert all(len(layer) == tensors for layer in before)
    net.masks.drop_and_grow([int(share * count) for count in active], growth)
    assert net.masks.active == net.masks.counted() == active
    for layer, now in enumerate(net.alive()):
        for old, new in zip(before[layer], net.tensors(layer), strict=True):
            # Dropped and grown again in one event counts as survived.
            assert torch.equal(new[now & alive[layer]], old[now & alive[layer]])
            assert not new[now & ~alive[layer]].any()
            assert not new[~now].any()
    assert net.masks.outside() == 0


@given(st.integers(0, 10_000), st.floats(0.05, 1), st.floats(0, 1))
@quick
def test_global_pruning_keeps_exactly_the_largest_of_all_layers(seed, density, share):
    net = Layers(density=density, seed=seed)
    with torch.no_grad():
        for weight in net.weights:  # coarse, so that magnitudes tie within and across layers
            weight.mul_(2).round_()
    magnitudes = torch.cat([weight.detach().flatten().abs() for weight in net.weights]).tolist()
    alive = torch.cat(net.alive()).tolist()
    count = int(share * sum(alive))
    net.masks.prune_globally(count)
    assert marked(torch.cat(net.alive())) == best(magnitudes, count, alive)
    assert net.masks.active == net.masks.counted()
    assert (sum(net.masks.active), net.masks.outside()) == (count, 0)


def test_pruning_to_zeros_alone_stays_exact():
    net = Layers(density=1.0)
    with torch.no_grad():
        for weight in net.weights:
            weight.zero_()
    net.masks.prune_globally(100)
    assert sum(net.masks.counted()) == 100


def test_random_growth_is_uniform_over_all_inactive_weights():
    grown = torch.zeros(60)
    net = Layers(shapes=[(6, 10)], density=1 / 3)
    start = net.masks.state_dict()["masks"]
    weight = net.weights[0]
    for _ in range(2000):
        with torch.no_grad():  # always the same ten largest
            weight.copy_(torch.where(start[0], torch.arange(60).view(6, 10) + 1.0, 0.0))
        state = net.masks.state_dict()
        net.masks.load_state_dict({**state, "masks": start})
        kept = marked(start[0].flatten())
        kept = set(sorted(kept)[10:])
        net.masks.drop_and_grow([10], "random")
        grown += net.masks.alive(0)
    rest = [i for i in range(60) if i not in kept]
    assert all(grown[i] == 2000 for i in kept)
    expected = 2000 * 10 / 50
    assert sum((float(grown[i]) - expected) ** 2 / expected for i in rest) < 85  # 49 degrees of freedom, p = 0.001


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(12, 20), nn.Linear(20, 5)

    def forward(self, inputs):
        return self.second(torch.relu(self.first(inputs)))


OPTIMIZERS = {
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.1, fused=True),
    "momentum": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, fused=True),
    "decay": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, weight_decay=0.01, fused=True),
    "nesterov": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, nesterov=True, foreach=True),
    "nesterov and decay": lambda weights: make_optimizer("sgd", weights),
    "adamw": lambda weights: make_optimizer("adamw", weights),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_masking_gradients_alone_equals_masking_everything_after_each_step_bit_for_bit(name):
    """The reference masks gradients, weights and every state tensor on each step; ours the gradients."""

    def run(everything):
        torch.manual_seed(0)
        net = Net()
        optimizer = OPTIMIZERS[name](net.parameters())
        layers = [(n, w) for n, w in net.named_parameters() if w.ndim == 2]
        masks = Masks(layers, torch.Generator().manual_seed(0))
        masks.attach(optimizer)
        masks.initialise([60, 40])
        for step in range(1, 121):
            optimizer.zero_grad()
            F.cross_entropy(net(torch.randn(8, 12)), torch.randint(5, (8,))).backward()
            if step % 10 == 0:
                masks.hold_gradients()
            masks.mask_gradients()
            optimizer.step()
            if step % 10 == 0:
                masks.drop_and_grow([20, 13], "gradient")
            if step == 60:
                masks.prune_globally(70)
            if everything:
                masks.reapply()
        assert masks.outside() == 0
        states = [value for w in net.parameters() for value in optimizer.state[w].values()]
        return [*net.parameters(), *(value for value in states if isinstance(value, torch.Tensor))]

    assert all(torch.equal(ours, theirs) for ours, theirs in zip(run(False), run(True), strict=True))


def test_growth_reads_the_dense_gradients_from_before_masking_and_the_optimiser_step():
    net = Layers()
    optimizer = torch.optim.SGD(net.weights, lr=0.1, momentum=0.9, nesterov=True, foreach=True)
    dense = [weight.grad.flatten().abs() for weight in net.weights]
    net.masks.hold_gradients()
    net.masks.mask_gradients()
    optimizer.step()  # this one writes into the gradients
    assert not torch.equal(net.weights[1].grad.flatten().abs(), dense[1])
    assert all(torch.equal(net.masks.gradient_magnitude(layer), old) for layer, old in enumerate(dense))


def test_a_method_that_reads_dense_gradients_without_asking_is_told_so():
    net = Layers()
    net.masks.release_gradients()
    with pytest.raises(RuntimeError, match="did not request dense gradients"):
        net.masks.drop_and_grow([1] * len(NET), "gradient")


def test_a_gradient_that_is_missing_is_zero():
    """As of a layer that a step skips: the others are masked, and growth scores it as zero."""
    net = Layers()
    net.weights[2].grad = None
    net.masks.mask_gradients()
    net.masks.hold_gradients()
    assert net.weights[2].grad is None
    assert not net.masks.gradient_magnitude(2).any()
