"""What the harness offers to methods, each offer taken by a method of a few lines in a real run."""

import copy
import math
from dataclasses import dataclass

import pytest
import torch
from networks import Attentive, Skipping, Tied, run_of
from runs import at_step, go_on, record, small, train, trainer
from test_graph import ReadBacks
from test_train import on_disk, outcome, plain
from toys import TOYS, StraightThrough

from harness.errors import UsageError
from harness.training import trainer as training
from methods import Learned, Method, Pattern, Probe, registry


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for name, toy in TOYS.items():
        monkeypatch.setitem(registry.METHODS, name, toy(name))


def changed(monkeypatch, base=StraightThrough, **hooks):
    """Register a toy with other hooks and return its name."""
    toy = dataclass(type("Toy", (base,), hooks))
    monkeypatch.setitem(registry.METHODS, "toy", toy("toy"))
    return "toy"


def test_counts_may_rise_and_fall_by_scores_of_ones_own():
    made = train(small("scored"))
    counts = [sum(entry["active"]) for entry in made.history.topology[1:]]
    target, doubled = (round(share * made.masks.maskable) for share in (0.1, 0.2))
    assert counts == [doubled, target] * 3 + [doubled] + [target] * 2
    assert made.final_violations() == []


def test_forward_weights_keep_every_promise_of_a_run(tmp_path):
    made = record(small("straight_through"), tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    metrics = made["metrics"]
    assert metrics["active"] == round(0.1 * metrics["maskable"])
    assert metrics["nonzero"] == metrics["active"]
    assert metrics["exploration_rate"] == 1.0  # all are trained
    assert metrics["val_accuracy"] == made["curve"][-1]["val_accuracy"]


def test_all_weights_are_trained_where_requested_and_the_others_frozen_else():
    for also in (True, False):
        made = trainer(small("straight_through", "steps:7", interval=100, also=also))
        before = [made.masks.weight(layer).clone() for layer in range(len(made.masks))]
        alive = [made.masks.alive(layer) for layer in range(len(made.masks))]
        go_on(made, at_step(6))
        for layer, (old, active) in enumerate(zip(before, alive, strict=True)):
            moved = old != made.masks.weight(layer)
            assert moved.all() if also else torch.equal(moved, active)


def test_the_network_is_evaluated_and_published_with_forward_weights():
    stored, run = [], small("straight_through")

    def look(made):
        if made.course.ledger.steps == 39:
            stored.extend(made.masks.weight(layer).count_nonzero().item() for layer in range(len(made.masks)))
        return False

    made = train(run, look)
    assert stored == made.masks.sizes
    assert made.masks.nonzero() == made.masks.active
    assert made.masks.outside() == 0


@pytest.mark.parametrize(
    ("name", "stops", "fields"),
    [
        ("scored", (5, 24), {}),
        ("straight_through", (9,), {}),
        ("straight_through", (9,), {"also": False, "recipe": {"weight_decay": 0.1}}),
        ("everything", (1, 8, 13, 31), {}),
        ("everything", (14,), {"recipe": {"optimizer": "adamw", "lr": 0.01}}),
        ("rewound", (7, 23, 33), {}),
    ],
)
def test_a_run_goes_on_from_its_state_bit_for_bit(name, stops, fields):
    run = small(name, **fields)
    whole = train(run)
    assert whole.final_violations() == []
    part = train(run, at_step(stops[0]))
    for stop in [*stops[1:], None]:
        state = on_disk(part.state_dict())
        part = trainer(run)
        part.load_state_dict(state)
        go_on(part, at_step(stop))
    assert outcome(part) == outcome(whole)


def test_a_run_that_is_over_stays_as_it_ended():
    run = small("everything")
    whole = train(run)
    again = trainer(run)
    again.load_state_dict(on_disk(whole.state_dict()))
    go_on(again)
    assert plain(again.model.state_dict()) == plain(whole.model.state_dict())
    assert plain(again.masks.state_dict()) == plain(whole.masks.state_dict())
    assert plain(again.optimizer.state_dict()["state"]) == plain(whole.optimizer.state_dict()["state"])
    assert again.history.topology == whole.history.topology
    assert again.final_violations() == []


@pytest.mark.parametrize("name", ["straight_through", "everything"])
def test_at_sparsity_0_they_train_as_dense_does_to_the_bit(name):
    dense, toy = train(small("dense")), train(small(name, sparsity=0.0))
    assert plain(dense.model.state_dict()) == plain(toy.model.state_dict())
    assert dense.history.curve == toy.history.curve
    assert dense.course.ledger.flops == toy.course.ledger.flops


@pytest.mark.parametrize("name", ["straight_through", "everything"])
def test_the_recorded_step_trains_bit_for_bit_as_the_plain_one(name):
    plain_run, recorded_run = small(name), small(name)
    recorded_run.graph = True
    one, other = train(plain_run), train(recorded_run)
    assert plain(one.model.state_dict()) == plain(other.model.state_dict())
    assert plain(one.masks.state_dict()) == plain(other.masks.state_dict())
    assert one.history.curve == other.history.curve


def test_the_gradient_of_more_weights_than_the_active_ones_is_charged_and_noted():
    made = train(small("straight_through"))
    assert all(entry["gradient"] == made.masks.sizes for entry in made.history.topology)
    costs = made.course.ledger.costs
    active, dense = (costs.training(counts) // 3 for counts in (made.masks.active, made.masks.sizes))
    assert made.course.ledger.flops == made.course.ledger.samples * (2 * active + dense)
    assert "gradient" not in train(small("rigl")).history.topology[-1]


def test_gradients_in_each_step_are_those_of_the_loss_and_only_what_is_charged(monkeypatch):
    seen = []

    def look(self, masks):
        seen.append([masks.gradient(layer).clone() for layer in range(len(masks))])

    def counts(self, shapes, active, target):
        return [math.prod(shape) if layer else active[0] for layer, shape in enumerate(shapes)]

    made = train(small(changed(monkeypatch, Method, each_step=look, gradient_counts=counts), "steps:2"))
    for gradients in seen:
        assert not gradients[0][~made.masks.alive(0)].any()
        assert gradients[1][~made.masks.alive(1)].any()
    with pytest.raises(RuntimeError, match="did not request"):
        made.masks.gradient(0)


def test_a_methods_own_decay_takes_the_place_of_the_recipes(monkeypatch):
    def decays(own):
        made = trainer(small(changed(monkeypatch, own_decay=own), recipe={"weight_decay": 0.1}))
        groups = {id(p): group["weight_decay"] for group in made.optimizer.param_groups for p in group["params"]}
        assert made.masks.weight_decay == 0.1
        return {name: groups[id(p)] for name, p in made.model.named_parameters() if groups[id(p)]}, made.masks.names

    everything, masked = decays(False)
    assert set(masked) < set(everything)
    assert set(decays(True)[0]) == set(everything) - set(masked)


def test_learned_tensors_are_trained_and_rewound_with_the_weights():
    states = {}

    def look(made):
        if made.course.round == 0 and made.course.position >= 0.3:
            states.setdefault("then", copy.deepcopy(dict(made.masks.learned_tensors())))
        if made.course.round == 1:
            states.setdefault("back", copy.deepcopy(dict(made.masks.learned_tensors())))
        return False

    made = train(small("rewound"), look)
    assert plain(states["then"]) == plain(states["back"])
    assert plain(dict(made.masks.learned_tensors())) != plain(states["back"])
    assert any(float(tensor) != 1 for tensor in states["then"].values())


def test_last_masks_are_noted_where_they_have_other_counts():
    made = train(small("everything"))
    assert made.history.topology[-1]["active"] == made.masks.active
    assert sum(made.masks.active) == round(0.1 * made.masks.maskable)
    assert made.history.curve[-1]["density"] == made.masks.density


@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        ({"gradient_counts": lambda self, shapes, active, target: None}, "ValueError: gradient_counts: "),
        ({"gradient_counts": lambda self, shapes, active, target: [10**9] * 4}, "ValueError: gradient_counts: "),
        ({"gradient_counts": lambda self, shapes, active, target: active}, "which has 18432 weights and trains 18432"),
        ({"forward_weight": lambda self, weight, mask, layer, masks: weight * 1}, "not zero outside the masks"),
        ({"forward_weight": lambda self, weight, mask, layer, masks: mask}, "does not depend on the stored weights"),
        ({"finish": lambda self, masks, target: masks.set(1, ~masks.alive(1))}, "active weights where the target is"),
        ({"each_step": lambda self, masks: masks.move(1, masks.alive(1).fill_(True))}, "other numbers of weights"),
        ({"learned": lambda self, masks: Learned({"s": [torch.ones(1)]})}, "learned: 's' has 1 tensors for 4"),
    ],
)
def test_a_method_that_declares_what_is_wrong_is_found_out(hooks, reason, monkeypatch, tmp_path):
    made = record(small(changed(monkeypatch, **hooks)), tmp_path)
    assert made["status"] in ("failed", "invalid")
    assert reason in made["reason"]
    assert "\n" not in made["reason"]


def test_steps_that_cannot_be_recorded_are_refused_by_name(monkeypatch):
    run = small(changed(monkeypatch, recordable=False))
    run.graph = True
    with pytest.raises(UsageError, match="graph=true cannot record the steps of toy: set graph=false"):
        trainer(run)
    run.sparsity = 0.0
    train(run)


def test_gradients_before_the_first_step_are_there_and_leave_no_trace(monkeypatch, tmp_path):
    run = small("sensitive", recipe={"augment": "crop"})
    made = train(run)
    assert made.final_violations() == []
    assert made.masks.exploration_rate() == pytest.approx(made.masks.density, abs=1e-12)
    part = train(run, at_step(11))
    again = trainer(run)
    again.load_state_dict(on_disk(part.state_dict()))
    go_on(again)
    assert outcome(again) == outcome(made)
    dense, none = train(small("dense")), train(small("sensitive", sparsity=0.0))
    assert plain(dense.model.state_dict()) == plain(none.model.state_dict())
    assert dense.course.ledger.flops == none.course.ledger.flops


def test_masks_that_move_in_every_step_keep_their_pattern(monkeypatch, tmp_path):
    run = small("two_of_four", sparsity=0.5, recipe={"weight_decay": 0.01})
    before = trainer(run).masks
    made = train(run)
    assert made.final_violations() == []
    assert made.masks.active == before.active
    changed = [not torch.equal(made.masks.alive(layer), before.alive(layer)) for layer in range(len(before))]
    assert changed == [False, True, True, True]
    for _, mask in made.masks.tensors():
        assert Pattern("n:m", 2, 4).violations(mask) == 0
    made = record(run, tmp_path)
    assert (made["status"], made["config"]["pattern"]) == ("done", {"kind": "n:m", "n": 2, "m": 4})


@pytest.mark.parametrize("graph", [False, True], ids=["plain", "recorded"])
@pytest.mark.parametrize("name", ["straight_through", "everything", "two_of_four"])
def test_their_ordinary_steps_read_nothing_back(name, graph, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    run = small(name, "steps:200", evaluations=1, interval=100, sparsity=0.5)
    run.graph = graph
    made = train(run, at_step(7))
    with ReadBacks() as found:
        go_on(made, at_step(20))
    assert found.seen == []


@pytest.mark.parametrize("make", [Tied, Skipping, lambda: Attentive(need_weights=False)], ids=["tied", "skip", "mha"])
@pytest.mark.parametrize("name", ["straight_through", "everything", "two_of_four"])
def test_networks_that_share_skip_or_pack_weights_keep_every_promise(name, make, monkeypatch):
    run = run_of(monkeypatch, make, name, budget="steps:9")
    run.sparsity, run.method = 0.5, registry.build({"name": name, "interval": 2})
    if make is Tied and name == "two_of_four":
        run.dense_layers = ["entry.weight"]  # multiplied both ways, so that a pattern has no one dimension of inputs
    made = train(run)
    assert made.final_violations() == []
    assert made.masks.nonzero() == made.masks.active


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"batches": -3}, "probe.batches: -3 is not a whole number"),
        ({"flows": 1.5}, "probe.flows: 1.5 is not a whole number"),
        ({"batches": 1, "temperature": 0}, "probe.temperature: 0 is not a positive number"),
        ({"batches": 1, "per_class": 2}, "probe.per_class: 2 takes the place of batches"),
        ({"flows": 1, "hessian": True}, "probe.hessian: there is no product without"),
    ],
)
def test_a_probe_that_cannot_be_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        Probe(**fields)
