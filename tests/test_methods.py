"""What always holds of selections, distributions, masks and events, whatever the weights."""

import copy
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import at_step, go_on, small, train, trainer
from torch import nn
from torch.nn import functional as F

from methods import Masks, Moment, build, methods
from methods.parts.distributions import Shapes, balanced, er, erk, exact_counts, layer_counts, uniform
from methods.parts.select import exchange_each, top_k_each

quick = settings(deadline=None, max_examples=60)

# Few different values, so that ties and zeros are the rule.
SCORES = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=40)
SHAPES = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (1, 1), (3, 3)])).map(
        lambda sizes: (*sizes[:2], *sizes[2])
    ),
    min_size=1,
    max_size=8,
)
NET = [(8, 1, 3, 3), (12, 8, 3, 3), (12, 12), (5, 12)]


def best(scores, k, among):
    """Return what `top_k_each` must mark, by sorting: highest score first, then lowest index."""
    ranked = sorted((i for i in range(len(scores)) if among[i]), key=lambda i: (-scores[i], i))
    return set(ranked[:k])


def marked(mask):
    return set(mask.nonzero().flatten().tolist())


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


def test_balanced_layers_have_equally_many_weights_or_all_of_theirs():
    shapes = [(10, 10), (2, 3), (20, 10), (2, 10)]  # 326 weights, of which 163 stay
    counts = [share * math.prod(shape) for share, shape in zip(balanced(shapes, 0.5), shapes, strict=True)]
    assert counts == pytest.approx([68.5, 6, 68.5, 20])
    assert balanced(shapes, 1.0) == [1.0] * 4


@given(SHAPES, st.floats(0.01, 1), st.sampled_from([erk, er, balanced]))
@quick
def test_erdos_renyi_densities_average_to_the_density_and_are_shares(shapes, density, distribution):
    sizes = [math.prod(shape) for shape in shapes]
    densities = distribution(shapes, density)
    assert sum(d * n for d, n in zip(densities, sizes, strict=True)) == pytest.approx(density * sum(sizes), rel=1e-9)
    assert all(0 < d <= 1 for d in densities)


@given(SHAPES, st.floats(0.01, 1), st.floats(0.01, 1))
@quick
def test_erk_layers_never_get_sparser_when_the_net_gets_denser(shapes, one, other):
    sparser, denser = erk(shapes, min(one, other)), erk(shapes, max(one, other))
    assert all(low <= high + 1e-9 for low, high in zip(sparser, denser, strict=True))


@given(SHAPES, st.floats(0.01, 1), st.randoms(use_true_random=False))
@quick
def test_erk_does_not_depend_on_the_order_of_layers_and_ties_go_together(shapes, density, random):
    order = list(range(2 * len(shapes)))
    random.shuffle(order)
    doubled = [*shapes, *shapes]
    densities = erk(doubled, density)
    shuffled = erk([doubled[i] for i in order], density)
    assert shuffled == pytest.approx([densities[i] for i in order], rel=1e-9)
    assert densities[: len(shapes)] == densities[len(shapes) :]


@given(st.floats(0.1, 1))
@quick
def test_uniform_keeps_the_first_convolution_dense_and_the_net_at_its_density(density):
    sizes = [math.prod(shape) for shape in NET]
    densities = uniform(NET, density)
    assert densities[0] == 1
    assert len(set(densities[1:])) == 1
    assert sum(d * n for d, n in zip(densities, sizes, strict=True)) == pytest.approx(density * sum(sizes))


@pytest.mark.parametrize("kernel", [(3,), (3, 3), (3, 3, 3)])
def test_uniform_keeps_the_first_convolution_dense_whatever_its_dimensions(kernel):
    shapes = [(20, 20), (8, 4, *kernel), (8, 8, *kernel), (10, 8)]
    densities = uniform(shapes, 0.6)
    assert densities[1] == 1
    assert len({densities[0], *densities[2:]}) == 1
    assert uniform([(20, 20), (10, 20)], 0.3) == [0.3, 0.3]


def test_uniform_gives_one_density_to_all_where_the_first_convolution_is_not_masked():
    assert uniform(Shapes(NET[1:], stem=None), 0.3) == [0.3] * 3
    assert uniform(Shapes(NET, stem=0), 0.3) == uniform(NET, 0.3)


def test_a_first_convolution_that_the_config_keeps_dense_does_not_make_the_second_one_dense():
    run = small("static", sparsity=0.7, distribution="uniform")
    masks = trainer(run).masks
    assert masks.active[0] == masks.sizes[0]
    run.dense_layers = ["features.0.0.weight"]
    masks = trainer(run).masks
    assert "features.0.0.weight" not in masks.names
    assert [round(active / size, 2) for active, size in zip(masks.active, masks.sizes, strict=True)] == [0.3] * 3


@given(
    SHAPES,
    st.sampled_from([erk, er, uniform, balanced]),
    st.lists(st.floats(0.001, 1), min_size=2, max_size=8),
    st.booleans(),
)
@quick
def test_exact_counts_add_up_to_the_target_and_never_grow(shapes, distribution, falling, twice):
    shapes = [*shapes, *shapes] if twice else shapes
    sizes = [math.prod(shape) for shape in shapes]
    active = sizes
    for density in sorted(falling, reverse=True):
        try:
            densities = distribution(shapes, density)
        except ValueError:  # less than the first convolution
            return
        # Uniform densities need no look at what is active, so a plan knows their counts without walking the ramp.
        counts = exact_counts(shapes, densities, density, None if distribution is uniform else active)
        assert sum(counts) == round(density * sum(sizes))
        assert all(0 <= now <= before for now, before in zip(counts, active, strict=True))
        active = counts


@pytest.mark.parametrize("distribution", ["uniform", "erk"])
def test_layer_wise_pruning_is_exact_at_every_tick(distribution):
    net = Layers(shapes=[(16, 3, 3, 3), *[(16, 16, 3, 3)] * 6, (32, 16, 1, 1), (10, 33)], density=1.0)
    method = build({"name": "gmp_uniform", "interval": 1, "distribution": distribution})
    for step in range(1, 101):
        moment = Moment(step, step / 100, (step - 1) / 100, 100)
        density = method.density(moment, 0.3)
        if density is not None:
            method.update(net.masks, moment, 0.3)
            assert sum(net.masks.active) == sum(net.masks.counted()) == round(density * net.masks.maskable)
    assert sum(net.masks.active) == round(0.3 * net.masks.maskable)


def test_uniform_refuses_a_density_that_the_first_convolution_alone_exceeds():
    with pytest.raises(ValueError, match=r"its 72 weights are more than a density of 0\.01 allows"):
        uniform(NET, 0.01)


@given(SHAPES, st.floats(0.01, 1), st.sampled_from([erk, er, balanced]))
@quick
def test_layer_counts_are_rounded_and_their_total_is_exact_to_one_weight(shapes, density, distribution):
    sizes = [math.prod(shape) for shape in shapes]
    densities = distribution(shapes, density)
    counts = layer_counts(shapes, densities, density)
    assert abs(sum(counts) - round(density * sum(sizes))) <= 1
    assert all(0 <= count <= size for count, size in zip(counts, sizes, strict=True))
    assert all(abs(c - d * n) < 1.5 for c, d, n in zip(counts, densities, sizes, strict=True))


def test_rounding_errors_of_many_layers_do_not_add_up():
    shapes = [(5, 5)] * 100
    assert abs(sum(layer_counts(shapes, [0.26] * 100, 0.26)) - 650) <= 1


def masks_of(seed, method="static"):
    return torch.cat([mask.flatten() for _, mask in trainer(small(method, seed=seed)).masks.tensors()])


def test_initial_masks_depend_on_the_seed():
    assert torch.equal(masks_of(3), masks_of(3))
    assert not torch.equal(masks_of(3), masks_of(4))


def test_initial_masks_do_not_depend_on_the_method():
    assert torch.equal(masks_of(3), masks_of(3, "rigl"))


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


def test_granet_may_grow_from_zero_what_its_pruning_has_just_removed():
    net = Layers(density=0.5)
    alive, magnitude = net.masks.alive(1), net.masks.magnitude(1)
    weakest = int(torch.where(alive, magnitude, math.inf).argmin())
    net.weights[1].grad.view(-1)[weakest] = 100.0
    net.masks.hold_gradients()
    assert all(tensor[weakest] != 0 for tensor in net.tensors(1))
    method = build({"name": "granet", "interval": 10})
    method.update(net.masks, Moment(50, 0.5, 0.49, 100), 0.1)
    assert net.masks.alive(1)[weakest]
    assert all(tensor[weakest] == 0 for tensor in net.tensors(1))
    assert sum(net.masks.active) == int(0.1 * net.masks.maskable)


@pytest.mark.parametrize(("method", "exchanged"), [("rigl", 3), ("rigl_itop", 4), ("set_itop", 4), ("granet", 4)])
def test_rigl_rounds_the_number_it_exchanges_down_and_the_others_up(method, exchanged):
    assert build({"name": method}).exchanged(0.31, 11) == exchanged


def test_rigl_freezes_the_topology_at_three_quarters_and_the_others_never():
    def last(name):
        method = build({"name": name, "interval": 10})
        return max(t for t in range(1, 400) if method.event(Moment(t, t / 400, (t - 1) / 400, 400)))

    assert {name: last(name) for name in ("rigl", "rigl_itop", "set", "granet")} == {
        "rigl": 290,
        "rigl_itop": 390,
        "set": 390,
        "granet": 390,
    }


def test_granet_past_until_prunes_on_and_grows_no_more():
    made = train(small("granet", until=0.3, prune_end=0.6))
    events = {entry["step"]: entry["dense_gradient"] for entry in made.history.topology[1:]}
    assert events == {4: True, 8: True, 12: False, 16: False, 20: False, 24: False}
    assert made.final_violations() == []


def test_granet_that_grows_at_random_is_charged_for_no_dense_gradient():
    made = train(small("granet", "flops:0.3", growth="random"))
    assert made.history.topology[1:]
    assert not any(entry["dense_gradient"] for entry in made.history.topology)


@pytest.mark.parametrize(
    ("sparsity", "densities"), [(0.2, [0.8]), (0.36, [0.8, 0.64]), (0.8926258176, [0.8**r for r in range(1, 11)])]
)
def test_a_share_of_a_fifth_takes_as_many_rounds_as_the_sparsity_needs(sparsity, densities):
    method, target = build({"name": "lr_rewind", "share": 0.2}), 1 - sparsity
    rounds = method.rewinding(target).rounds
    found = [method.density(Moment(1, 1.0, 1.0, None, number), target) for number in range(1, rounds + 1)]
    assert found == pytest.approx(densities, rel=1e-12)


def test_the_last_round_prunes_what_is_left_of_a_share():
    method = build({"name": "lth_rewind", "share": 0.2})
    assert method.rewinding(0.1).rounds == 11
    assert method.density(Moment(1, 1.0, 1.0, None, 11), 0.1) == 0.1


def copies(made):
    """Return copies of the masked weights and their momentum, and of the first running mean."""
    weights = [weight for name, weight in made.model.named_parameters() if name in made.masks.names]
    momentum = [made.optimizer.state[weight]["momentum_buffer"] for weight in weights]
    return copy.deepcopy([*weights, *momentum]), made.model.features[0][1].running_mean.clone()


@pytest.mark.parametrize(("method", "steps"), [("rigl", False), ("rigl_itop", True), ("set", True), ("granet", True)])
def test_only_rigl_skips_the_optimiser_step_of_an_event(method, steps):
    made = train(small(method, fraction=0.0, final_fraction=0.0), at_step(3))
    before, seen = copies(made)
    go_on(made, at_step(4))
    after, seen_now = copies(made)
    assert made.history.topology[-1]["step"] == 4
    assert not torch.equal(seen, seen_now)  # the batch went through the net
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True)) is not steps


@pytest.mark.parametrize("name", ["dense", "static"])
def test_the_baselines_never_change_their_masks(name):
    made = train(small(name))
    assert [entry["step"] for entry in made.history.topology] == [0]


def alive_after_each_event(name):
    masks, last = [], []

    def look(made):
        if (
            made.history.topology[-1]["step"] == made.course.ledger.steps
            and made.history.topology[-1]["step"] not in last
        ):
            last.append(made.history.topology[-1]["step"])
            masks.append(torch.cat([mask.flatten() for _, mask in made.masks.tensors()]))
        return False

    made = train(small(name), look)
    return masks, made


@pytest.mark.parametrize("name", ["gmp", "gmp_uniform"])
def test_what_gradual_pruning_removes_never_returns(name):
    masks, made = alive_after_each_event(name)
    assert len(masks) > 3
    assert not any((after & ~before).any() for before, after in pairwise(masks))
    assert made.history.topology[-1]["active"][0] == made.masks.sizes[0] or name == "gmp"


@pytest.mark.parametrize("name", ["set", "rigl", "granet"])
def test_exploration_rate_counts_every_weight_that_was_ever_active(name):
    masks, made = alive_after_each_event(name)
    ever = torch.stack(masks).any(0)
    assert made.masks.exploration_rate() == pytest.approx(float(ever.double().mean()), abs=1e-12)
    assert made.masks.exploration_rate() > float(masks[-1].double().mean())


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


def addresses(made):
    state = [v for values in made.optimizer.state.values() for v in values.values() if isinstance(v, torch.Tensor)]
    tensors = [*made.model.state_dict().values(), *state, *made.masks._masks]
    return [tensor.data_ptr() for tensor in tensors]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("name", ["granet", "rigl", "lth_rewind"])
def test_weights_state_and_masks_keep_their_addresses_through_every_event(name, optimizer):
    made = train(small(name, recipe={"optimizer": optimizer, "lr": 0.01}), at_step(1))
    before = addresses(made)
    go_on(made)
    assert len(made.history.topology) > 2
    assert addresses(made) == before


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


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "rigl", "interval": 0}, "method.interval: 0"),
        ({"name": "rigl", "fraction": 1.5}, "method.fraction: 1.5"),
        ({"name": "rigl", "growth": "best"}, "method.growth: 'best' is not one of gradient, random"),
        ({"name": "static", "distribution": "even"}, "method.distribution: 'even' is not one of erk, er, uniform"),
        ({"name": "gmp", "prune_start": 0.5, "prune_end": 0.5}, "method.prune_end: 0.5"),
        ({"name": "gmp", "prune_end": 1.0}, "method.prune_end: 1.0"),
        ({"name": "set", "until": 0.0}, "method.until: 0"),
        ({"name": "lth_rewind", "rounds": 0}, "method.rounds: 0"),
        ({"name": "lth_rewind", "share": 1.0}, "method.share: 1.0"),
        ({"name": "lth_rewind", "rewind_to": 1.0}, "method.rewind_to: 1"),
    ],
)
def test_a_hyper_parameter_out_of_range_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        build(fields)
    assert "\n" not in str(caught.value)


def test_the_twelve_methods_are_there():
    assert set(methods()) >= {
        *("dense", "static", "set", "set_itop", "rigl", "rigl_itop"),
        *("gmp", "gmp_uniform", "granet", "granet_s0", "lth_rewind", "lr_rewind"),
    }
