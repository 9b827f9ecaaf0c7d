"""What always holds of the first methods: their events, schedules and hyper-parameters."""

import copy
import math
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from layers import Layers
from runs import at_step, go_on, small, train, trainer

from methods import Moment, build, methods


def masks_of(seed, method="static"):
    return torch.cat([mask.flatten() for _, mask in trainer(small(method, seed=seed)).masks.tensors()])


def test_the_order_of_methods_does_not_depend_on_what_was_imported_first():
    listed = "from methods import methods; print(*methods())"
    first, second = (
        subprocess.run([sys.executable, "-c", before + listed], capture_output=True, text=True, check=True).stdout
        for before in ("", "import methods.snip, methods.baselines; ")
    )
    assert first == second
    assert len(first.split()) > 20


def test_initial_masks_depend_on_the_seed():
    assert torch.equal(masks_of(3), masks_of(3))
    assert not torch.equal(masks_of(3), masks_of(4))


def test_initial_masks_do_not_depend_on_the_method():
    assert torch.equal(masks_of(3), masks_of(3, "rigl"))


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
