"""Methods whose masks or forward weights move, as the loop trains them: what is used, trained, charged and recorded."""

import copy
import json
import re
from functools import lru_cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import best
from runs import BATCH, at_step, go_on, record, small, train
from test_flops import foretold
from test_train import on_disk, outcome
from torch import nn

from harness import config
from harness.audit import counts
from harness.errors import UsageError
from harness.records.validate import validate
from methods import Masks, build
from methods.parts.patterns import Pattern, largest_in_groups
from methods.str_ import shrunk

quick = settings(deadline=None, max_examples=12)

SHAPES = [(8, 4, 3, 3), (12, 8), (5, 6)]
KINDS = [
    ("acdc", {}),
    ("mest", {}),
    ("mest", {"fraction": 0.0, "extra": 0.5}),
    ("snfs", {}),
    ("srigl", {}),
    ("top_kast", {}),
    ("sr_ste", {}),
    ("sr_ste", {"sparsity": 0.5}),
    ("sr_ste", {"sparsity": 0.75, "m": 8}),
    ("str", {}),
]
IDS = [f"{name}{''.join(f' {key}={value}' for key, value in fields.items())}" for name, fields in KINDS]
kinds = pytest.mark.parametrize(("name", "fields"), KINDS, ids=IDS)


class Net:
    """Three layers with forward weights of a method, in float64."""

    def __init__(self, name, target, seed=0, decay=0.1, **fields):
        self.method, self.target = build({"name": name, **fields}), target
        draw = torch.Generator().manual_seed(seed)
        self.weights = [nn.Parameter(torch.randn(shape, generator=draw).double()) for shape in SHAPES]
        self.masks = masks = Masks([(f"layer{i}", w) for i, w in enumerate(self.weights)], draw)
        masks.attach(torch.optim.SGD(self.weights, lr=0.1, momentum=0.9))
        masks.weight_decay = decay
        if learned := self.method.learned(masks):
            masks.learn(learned)
        masks.use(lambda weight, mask, layer: self.method.forward_weight(weight, mask, layer, masks))
        self.method.start(masks, target)
        masks.begin()
        self.gradients = [torch.randn(shape, generator=draw).double() for shape in SHAPES]

    def backward(self):
        """Go through a loss with known gradients; return the weights that were used and the gradients that came."""
        for weight in self.weights:
            weight.grad = None
        with self.masks.forward.training():
            used = [weight.detach().clone() for weight in self.weights]
            sum((w * g).sum() for w, g in zip(self.weights, self.gradients, strict=True)).backward()
        return used, [weight.grad.clone() for weight in self.weights]

    def stepped(self):
        """Return what the method adds to gradients of zero in a step."""
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight)
        with self.masks.reading_gradients():
            self.method.each_step(self.masks)
        return [weight.grad.clone() for weight in self.weights]


# Top-KAST


@given(st.integers(0, 10_000), st.floats(0.1, 0.9), st.floats(0, 1))
@quick
def test_top_kast_uses_the_largest_weights_and_trains_the_next_largest_too(seed, target, more):
    net = Net("top_kast", target, seed, backward_density=more)
    used_counts = net.method.layer_counts(SHAPES, target)
    trained_counts = net.method.gradient_counts(SHAPES, used_counts, target)
    stored = [weight.detach().clone() for weight in net.weights]
    used, gradients = net.backward()
    added = net.stepped()
    density = sum(used_counts) / sum(weight.numel() for weight in stored)
    for layer, weight in enumerate(stored):
        magnitudes = weight.abs().flatten().tolist()
        every = [True] * len(magnitudes)
        a, b = (best(magnitudes, numbers[layer], every) for numbers in (used_counts, trained_counts))
        assert a <= b
        in_a, in_b = (torch.tensor([i in part for i in range(len(magnitudes))]).view(weight.shape) for part in (a, b))
        assert torch.equal(used[layer], weight * in_a)
        assert torch.equal(gradients[layer], net.gradients[layer])  # straight through to all
        assert torch.equal(net.masks.forward.trains[layer] != 0, in_b)
        penalty = 0.1 * weight * in_a + 0.1 * weight * (in_b & ~in_a) / density
        assert torch.allclose(added[layer], penalty, rtol=1e-6, atol=0)  # shares are kept in float32


def test_top_kast_decays_as_adamw_does():
    """As part of the gradient, a decay meant for AdamW would outweigh the loss."""
    net = Net("top_kast", 0.3, backward_density=0.3)
    net.masks.attach(torch.optim.AdamW(net.weights, lr=0.1, weight_decay=0.0))
    before = [weight.detach().clone() for weight in net.weights]
    assert all(not added.any() for added in net.stepped())
    for layer, (weight, old) in enumerate(zip(net.weights, before, strict=True)):
        alive = net.masks.alive(layer).view(old.shape)
        others = (net.masks.forward.trains[layer] != 0) & ~alive
        shares = alive + others / net.masks.density
        torch.testing.assert_close(weight.detach(), old * (1 - 0.1 * 0.1 * shares))
        assert others.any()


@pytest.mark.parametrize("flat", [True, False])
def test_rates_of_decay_are_flat_or_shaped_and_reach_what_is_trained_alone(flat):
    net = Net("top_kast", 0.3, backward_density=0.3)
    before = [weight.detach().clone() for weight in net.weights]
    for optimizer in (torch.optim.SGD(net.weights, lr=0.1), torch.optim.AdamW(net.weights, lr=0.1)):
        net.masks.attach(optimizer)
        for layer, weight in enumerate(net.weights):
            weight.grad = torch.zeros_like(weight)
            with net.masks.reading_gradients():
                net.masks.decay(layer, torch.full((weight.numel(),) if flat else weight.shape, 0.1).double())
            if isinstance(optimizer, torch.optim.AdamW):
                assert not weight.grad.any()
                trained = net.masks.forward.trains[layer]
                torch.testing.assert_close(weight.detach(), before[layer] * (1 - 0.01 * trained))
            else:
                torch.testing.assert_close(weight.grad, 0.1 * before[layer])


def stored(made):
    return [weight.detach().clone() for name, weight in made.model.named_parameters() if name in made.masks.names]


def test_weights_outside_the_backward_set_are_frozen_to_the_bit_until_they_are_chosen():
    made = train(small("top_kast"), at_step(4))
    chosen, before = [trains.clone() != 0 for trains in made.masks.forward.trains], stored(made)
    go_on(made, at_step(7))
    for inside, old, new in zip(chosen, before, stored(made), strict=True):
        assert torch.equal(old[~inside], new[~inside])
        assert (old != new)[inside].double().mean() > 0.99
        assert bool(inside.all()) or bool(old[~inside].any())


def test_with_a_backward_density_of_one_every_weight_is_trained():
    made = train(small("top_kast", backward_density=1.0), at_step(4))
    before = stored(made)
    go_on(made, at_step(7))
    assert all((old != new).double().mean() > 0.999 for old, new in zip(before, stored(made), strict=True))
    assert made.masks.exploration_rate() == 1
    assert made.masks.charged == made.masks.sizes
    assert sum(made.masks.active) == round(0.1 * made.masks.maskable)


# SR-STE


@given(st.integers(0, 10_000), st.sampled_from([(0.5, 4), (0.25, 4), (0.5, 8)]))
@quick
def test_sr_ste_uses_n_of_m_trains_all_and_shrinks_what_is_unused(seed, kind):
    target, m = kind
    net = Net("sr_ste", target, seed, m=m, decay=0.0)
    net.method.decay = 2e-4
    with torch.no_grad():  # the masks follow the weights in the next pass
        for weight in net.weights:
            weight.copy_(weight.roll(1, 0))
    stored = [weight.detach().clone() for weight in net.weights]
    used, gradients = net.backward()
    added = net.stepped()
    for layer, weight in enumerate(stored):
        mask = torch.ones_like(weight).bool()
        if weight.shape[1] % m == 0:
            mask = largest_in_groups(weight.abs(), round(target * m), m)
        assert torch.equal(used[layer], weight * mask)
        assert torch.equal(gradients[layer], net.gradients[layer])
        assert torch.allclose(added[layer], 2e-4 * weight * ~mask, rtol=1e-12, atol=0)
        assert torch.equal(net.masks.alive(layer).view(mask.shape), mask)
    assert net.masks.outside() == 0


@pytest.mark.parametrize(
    ("sparsity", "m", "expected"),
    [
        (0.5, 0, (2, 4)),
        (0.75, 0, (1, 4)),
        (0.875, 0, (1, 8)),
        (0.9375, 0, (1, 16)),
        (0.75, 8, (2, 8)),
        (0.25, 0, (3, 4)),
    ],
)
def test_the_sparsity_decides_on_n_and_m(sparsity, m, expected):
    pattern = build({"name": "sr_ste", "m": m}).pattern(1 - sparsity)
    assert (pattern.n, pattern.m) == expected


@pytest.mark.parametrize(("sparsity", "m"), [(0.9, 0), (0.9375, 8), (0.97, 0)])
def test_a_sparsity_without_an_n_of_m_is_refused_with_those_that_there_are(sparsity, m):
    with pytest.raises(ValueError, match=r"sr_ste .* one of 0\.\d+ \(\d+:\d+\), ") as caught:
        build({"name": "sr_ste", "m": m}).pattern(1 - sparsity)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="one of 0"):
        config.resolve(["dataset=digits", "method=sr_ste", f"sparsity={sparsity}", f"method.m={m}"])


@pytest.mark.parametrize(("m", "accepted"), [(0, 15), (4, 3), (8, 7), (16, 15)])
def test_the_error_names_every_sparsity_that_is_accepted(m, accepted):
    method = build({"name": "sr_ste", "m": m})
    with pytest.raises(ValueError, match="one of 0") as caught:
        method.pattern(0.3)
    named = re.findall(r"(0\.\d+) \((\d+):(\d+)\)", str(caught.value))
    assert len(named) == accepted
    assert [method.pattern(1 - float(sparsity)) for sparsity, _, _ in named] == [
        Pattern("n:m", int(n), int(size)) for _, n, size in named
    ]


def test_two_of_four_weights_of_a_trained_network_are_zero_in_every_group():
    made = train(small("sr_ste", sparsity=0.5))
    for weight, shape in zip(stored(made), made.masks.shapes, strict=True):
        if shape[1] % 4 == 0:
            assert torch.equal((weight != 0).movedim(1, -1).reshape(-1, 4).sum(1).unique(), torch.tensor([2]))
        else:
            assert weight.all()


# STR


@given(st.integers(0, 10_000), st.floats(-3, 1))
@quick
def test_str_shrinks_by_a_learned_threshold_and_passes_gradients_above_it(seed, init):
    net = Net("str", 0.1, seed, init=init)
    stored = [weight.detach().clone() for weight in net.weights]
    threshold = torch.tensor(init, dtype=torch.float64).sigmoid()
    used, gradients = net.backward()
    for layer, weight in enumerate(stored):
        above, given_ = weight.abs() > threshold, net.gradients[layer]
        expected = (weight - weight.sign() * threshold) * above
        assert torch.allclose(used[layer], expected, rtol=1e-12, atol=1e-15)
        assert torch.allclose(gradients[layer], given_ * above, rtol=1e-12, atol=0)
        slope = -(given_ * weight.sign() * above).sum() * threshold * (1 - threshold)
        assert torch.allclose(net.masks.learned("threshold")[layer].grad, slope, rtol=1e-9, atol=1e-12)
    net.method.update(net.masks, None, 0.1)
    assert net.masks.active == [int((weight.abs() > threshold).sum()) for weight in stored]


def test_the_derivatives_of_the_soft_threshold_are_those_of_its_formula():
    weight = torch.tensor([-2.0, -0.6, -0.4, 0.3, 0.8], dtype=torch.float64, requires_grad=True)
    s = torch.tensor([-0.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(shrunk, (weight, s))


def test_the_sparsity_that_str_reaches_is_a_result(tmp_path):
    kept = record(small("str"), tmp_path)
    assert kept["status"] == "done"
    active = kept["topology"][-1]["active"]
    assert kept["metrics"]["sparsity"] == pytest.approx(1 - sum(active) / 93_728)
    assert kept["config"]["reaches"] is True
    assert kept["metrics"]["sparsity"] not in (0.0, 0.9)


# All of them


@lru_cache
def _digits():
    return config.resolve(["dataset=digits", "device=cpu", "evaluations=2", "budget=steps:24"])


@kinds
def test_each_trains_on_digits_and_its_record_holds(name, fields, tmp_path):
    run = small(name, **fields)
    method, sparsity = run.method, run.sparsity
    run = copy.deepcopy(_digits())
    run.runner.name, run.method, run.sparsity = "local", method, sparsity
    kept = record(run, tmp_path)
    assert kept["status"] == "done", kept["reason"]
    assert validate(kept) == []
    assert counts.refusals(kept) == []
    assert json.loads(json.dumps(kept)) == kept


@kinds
def test_masks_counts_patterns_and_price_are_as_promised(name, fields):
    run = small(name, "epochs:8", **fields)
    expected, made = foretold(run), train(run)
    masks, target = made.masks, 1 - run.sparsity
    assert made.final_violations() == []
    assert masks.counted() == masks.active
    assert masks.outside() == 0
    pattern = run.method.pattern(target)
    if pattern is not None:
        assert [pattern.violations(mask) for _, mask in masks.tensors()] == [0] * len(masks)
    if run.method.exact:
        fixed = pattern.counts(masks.shapes) if pattern else None
        tolerance = pattern.tolerance(masks.shapes, round(target * masks.maskable)) if pattern else 1
        assert abs(sum(masks.active) - (sum(fixed) if fixed else round(target * masks.maskable))) <= tolerance
    if run.method.prunes_globally:
        assert expected.train_flops == pytest.approx(made.course.ledger.flops, rel=0.5)
    else:
        assert (expected.train_flops, expected.active) == (made.course.ledger.flops, masks.active)


@kinds
def test_a_stopped_run_goes_on_bit_for_bit(name, fields):
    run = small(name, **fields)
    whole = train(run)
    made = train(run, at_step(13))
    again = train(run, at_step(0))
    again.load_state_dict(on_disk(made.state_dict()))
    go_on(again)
    assert outcome(again) == outcome(whole)


@kinds
def test_at_sparsity_zero_training_is_dense_to_the_bit(name, fields):
    extra = {"replaces_step": False} if name == "srigl" else {}  # an event of RigL's takes the place of a step
    dense, made = train(small("dense")), train(small(name, **{**fields, "sparsity": 0.0, **extra}))
    states = (dense.model.state_dict(), made.model.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert made.masks.active == made.masks.sizes
    assert made.course.ledger.flops == dense.course.ledger.flops


@pytest.mark.parametrize("name", ["snfs", "top_kast", "sr_ste", "str"])
def test_steps_as_they_are_recorded_train_the_same(name):
    plain, recorded = small(name), small(name)
    recorded.graph = True
    ends = [outcome(train(run)) for run in (plain, recorded)]
    assert all(ends[0][part] == ends[1][part] for part in ends[0] if part != "optimizer")  # whose rate is a tensor


@pytest.mark.parametrize("name", ["snfs", "sr_ste"])
def test_dense_gradients_of_every_step_are_charged(name):
    made = train(small(name, "steps:3"))  # before the first event
    costs, active = made.course.ledger.costs, made.history.topology[0]["active"]
    assert made.course.ledger.flops == 3 * BATCH * (2 * costs.forward(active) + costs.dense)


def test_top_kast_is_charged_for_the_gradients_of_the_weights_that_it_trains():
    made = train(small("top_kast", "steps:3"))
    costs, (first, *_) = made.course.ledger.costs, made.history.topology
    assert sum(first["gradient"]) == pytest.approx(0.2 * made.masks.maskable, abs=1)
    assert made.course.ledger.flops == 3 * BATCH * (
        2 * costs.forward(first["active"]) + costs.forward(first["gradient"])
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "acdc", "dense": 0.0}, "method.dense: 0.0"),
        ({"name": "acdc", "last_compressed": 0.9}, "method.last_compressed: 0.9"),
        ({"name": "mest", "fraction": 1.5}, "method.fraction: 1.5"),
        ({"name": "mest", "extra": -1.0}, "method.extra: -1.0"),
        ({"name": "mest", "until": 1.0}, "method.until: 1.0"),
        ({"name": "snfs", "smoothing": 1.0}, "method.smoothing: 1.0"),
        ({"name": "snfs", "interval": 0}, "method.interval: 0"),
        ({"name": "srigl", "ablation": -0.1}, "method.ablation: -0.1"),
        ({"name": "srigl", "growth": "random"}, "method.growth: 'random'"),
        ({"name": "top_kast", "backward_density": 1.1}, "method.backward_density: 1.1"),
        ({"name": "sr_ste", "m": 5}, "method.m: 5 is not one of 0, 4, 8, 16"),
        ({"name": "sr_ste", "decay": -1.0}, "method.decay: -1.0"),
        ({"name": "str", "init": float("nan")}, "method.init: nan"),
        ({"name": "str", "decay": -0.5}, "method.decay: -0.5"),
    ],
)
def test_a_hyper_parameter_out_of_range_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        build(fields)
    assert "\n" not in str(caught.value)
