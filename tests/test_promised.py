"""What a record promises of the final weights: counts, patterns, sparsities that are a result; and who is believed."""

from dataclasses import dataclass

import pytest
import torch
from records import make, resealed
from runs import record, small

from harness.audit import counts, declared, promised
from harness.audit.submission import check
from harness.config import to_dict
from harness.errors import UsageError
from harness.plan.planned import settled
from harness.records import record_name
from harness.records.record import text
from harness.training.prepare import prepare
from methods import Event, Method, Pattern, registry

LAYERS = [
    {"name": "first", "shape": [8, 3, 3, 3], "weights": 216},
    {"name": "second", "shape": [16, 8, 3, 3], "weights": 1152},
    {"name": "head", "shape": [10, 16], "weights": 160},
]


def promise(sparsity, **config):
    return {"sparsity": sparsity, "config": {"layers": LAYERS, **config}}


def test_the_target_is_kept_to_within_one_weight():
    exact = [100, 100, 106]  # a fifth of 1528
    assert promised.refusals(promise(0.8), LAYERS, exact) == []
    assert promised.refusals(promise(0.8), LAYERS, [101, 100, 106]) == []
    assert promised.refusals(promise(0.8), LAYERS, [102, 100, 106]) == [
        "active: 308 of 1528 weights at the end, the target is 306"
    ]


@pytest.mark.parametrize(("sparsity", "target", "slack"), [(0.8, 306, 3), (0.3, 1070, 8), (0.95, 76, 1)])
def test_a_common_fan_in_may_miss_it_by_half_of_the_widest_layer_and_one_percent(sparsity, target, slack):
    fan_in = promise(sparsity, pattern={"kind": "fan_in"})
    for off, kept in ((slack, True), (slack + 1, False)):
        for active in (target + off, target - off):
            assert (promised.refusals(fan_in, LAYERS, [10, 10, active - 20]) == []) is kept
    assert Pattern("fan_in").tolerance([layer["shape"] for layer in LAYERS], target) == slack


def test_a_sparsity_that_is_a_result_is_whatever_it_is():
    assert promised.refusals(promise(0.8, reaches=True), LAYERS, [0, 0, 1528]) == []
    assert promised.refusals(promise(0.8, reaches="yes"), LAYERS, [0, 0, 1528]) != []


@pytest.mark.parametrize(("n", "m", "sparsity"), [(2, 4, 0.5), (1, 4, 0.75), (2, 8, 0.75), (1, 8, 0.875)])
def test_n_of_m_keeps_its_share_of_every_layer_that_m_divides(n, m, sparsity):
    record = promise(sparsity, pattern={"kind": "n:m", "n": n, "m": m})
    kept = [216, 1152 * n // m, 160 * n // m]
    assert kept == Pattern("n:m", n, m).counts([layer["shape"] for layer in LAYERS])
    assert promised.refusals(record, LAYERS, kept) == []
    assert promised.refusals(record, LAYERS, [216 * n // m, *kept[1:]]) == [
        f"active: {216 * n // m} weights in first at the end, {n}:{m} keeps 216"
    ]


@pytest.mark.parametrize(
    ("n", "m", "sparsity", "reason"),
    [
        (2, 4, 0.75, "pattern: 2:4 is not sparsity 0.75"),
        (4, 4, 0.0, "pattern: 4:4 keeps no share of the weights"),
        (0, 4, 0.5, "pattern: 0:4 keeps no share of the weights"),
        (1, 1024, 1 - 1 / 1024, "pattern: 1024 divides the input dimension of no layer, so that 1:1024 holds for none"),
    ],
)
def test_a_pattern_that_the_sparsity_does_not_have_is_refused(n, m, sparsity, reason):
    record = promise(sparsity, pattern={"kind": "n:m", "n": n, "m": m})
    assert promised.refusals(record, LAYERS, [216, 576, 80]) == [reason]


@dataclass
class Halves(Method):
    """Says 2:4 and keeps half of the weights, in that pattern or anywhere."""

    honest: bool = True

    def pattern(self, target):
        return Pattern("n:m", 2, 4)

    def layer_counts(self, shapes, density, active=None):
        return self.pattern(density).counts(shapes)

    def start(self, masks, target):
        if not self.honest:
            masks.initialise(self.layer_counts(masks.shapes, target))
            return
        for layer, shape in enumerate(masks.shapes):
            if self.pattern(target).holds_for(shape):
                place = torch.arange(shape[1]).view(1, -1, *[1] * (len(shape) - 2))
                masks.set(layer, (place % 4 < 2).expand(shape))


@dataclass
class Drifting(Method):
    """Ends where it likes, and says so or not."""

    interval: int = 4

    def event(self, moment):
        return Event()

    def update(self, masks, moment, target):
        masks.prune_layers([max(count - 7, 1) for count in masks.active])


@dataclass
class SaysSo(Drifting):
    """The same, as a result."""

    exact = False


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Register the toy methods for one test."""
    for name, cls in (("halves", Halves), ("drifting", Drifting), ("says_so", SaysSo)):
        monkeypatch.setitem(registry.METHODS, name, cls(name=name))


def test_a_method_that_keeps_its_pattern_is_done_and_passes(tmp_path):
    made = record(small("halves", "steps:20", sparsity=0.5), tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert made["config"]["pattern"] == {"kind": "n:m", "n": 2, "m": 4}
    assert counts.refusals(made) == []


def test_a_method_that_lies_about_its_pattern_is_invalid(tmp_path):
    made = record(small("halves", "steps:20", sparsity=0.5, honest=False), tmp_path)
    assert made["status"] == "invalid"
    assert "the n:m pattern is broken" in made["reason"]


def test_a_sparsity_that_was_not_hit_is_invalid_unless_it_was_declared_a_result(tmp_path):
    made = record(small("drifting", "steps:20"), tmp_path)
    assert made["status"] == "invalid"
    assert "active weights where the target is" in made["reason"]
    made = record(small("says_so", "steps:20"), tmp_path)
    assert (made["status"], made["config"]["reaches"]) == ("done", True)
    assert made["metrics"]["sparsity"] > 0.9
    assert counts.refusals(made) == []
    made["metrics"]["sparsity"] = 0.9
    (line,) = counts.refusals(made)
    assert line.startswith("sparsity: 0.9 but")


@pytest.mark.parametrize(
    ("name", "value"),
    [("reaches", True), ("pattern", {"kind": "fan_in"}), ("probe", {"batches": 1, "flows": 3})],
)
def test_a_config_says_no_more_of_a_known_method_than_the_method_does(name, value):
    made = make("static", 0.9, 0)
    assert declared.refusals(made["config"]) == []
    made["config"][name] = value
    (line,) = declared.refusals(made["config"])
    assert line == f"{name}: the config has {value!r}, the method static declares None"
    made["config"]["method"]["name"] = "from elsewhere"
    assert declared.refusals(made["config"]) == []


def test_a_setting_that_a_method_no_longer_has_is_no_reason():
    made = make("static", 0.9, 0)
    made["config"]["method"]["forgotten"] = 3
    assert declared.refusals(made["config"]) == []


def test_last_masks_may_shrink_a_layer_and_grow_none_unless_the_sparsity_is_a_result():
    made = make("rigl", 0.9, 0)
    ending = made["topology"][-1]["active"]
    made["topology"].append({"step": made["cost"]["steps"], "active": list(ending), "dense_gradient": False})
    made["config"]["method"]["name"] = "from elsewhere"  # rigl has no last masks
    assert counts.refusals(made) == []
    made["topology"][-1]["active"] = [ending[0] + 1, ending[1] - 1, ending[2]]
    assert any("leaves no step to train what it grew" in line for line in counts.refusals(made))
    made["config"]["reaches"] = True
    assert not any("leaves no step" in line for line in counts.refusals(made))


def test_a_full_model_that_is_none_is_refused():
    made = make("static", 0.9, 0)
    made["config"]["reference"] = {"maskable": "many"}
    with pytest.raises(UsageError, match=r"reference.maskable: 'many' is not a number of 0 or more"):
        counts.refusals(made)


def _narrow(seed, full):
    """Return the record of a net of a quarter of the weights, which is compared with the full net."""
    made = make("dense", 0.0, seed)
    reference = {"maskable": 4 * 6032, "forward_flops": full, "training_flops": 3 * full}
    made["config"] |= {"reference": reference, "reaches": True, "model": {"name": "convnet", "width": 0.5}}
    made["config"]["method"]["name"] = made["method"] = "small_net_from_elsewhere"
    made["metrics"]["sparsity"] = 0.75
    ratio = made["cost"]["dense_forward_flops"] / full
    made["cost"] |= {"inference_flops_ratio": ratio, "train_flops_ratio": ratio, "dense_forward_flops": full}
    return resealed(made)


def _refusals(folder, records):
    for each in records:
        (folder / record_name(each)).write_text(text(each))
    path = folder / record_name(records[0])
    return check([path])[path]


def test_a_narrower_net_is_held_against_the_full_one_of_its_neighbours(tmp_path):
    records = [_narrow(seed, full=10**7) for seed in (0, 1, 2)]
    assert _refusals(tmp_path, records) == []
    other = [resealed(make("static", 0.9, seed)) for seed in (0, 1, 2)]
    full = other[0]["cost"]["dense_forward_flops"]
    (line,) = _refusals(tmp_path, records + other)
    assert line == (
        "reference: 24128 weights, 10000000 FLOPs forward and 30000000 in training; "
        f"other records have 6032 weights, {full} FLOPs forward and {3 * full} in training"
    )


def test_only_the_full_net_s_own_training_flops_are_a_reference(tmp_path):
    full = make("static", 0.9, 0)["cost"]["dense_forward_flops"]
    records = [_narrow(seed, full=full) for seed in (0, 1, 2)]
    for each in records:
        each["config"]["reference"] = {"maskable": 6032, "forward_flops": full, "training_flops": 30 * full}
        each["metrics"]["sparsity"], each["cost"]["train_flops_ratio"] = 0.0, each["cost"]["train_flops_ratio"] / 10
    others = [resealed(make("static", 0.9, seed)) for seed in (0, 1, 2)]
    said = _refusals(tmp_path, [*map(resealed, records), *others])
    assert said[-1].startswith(f"reference: 6032 weights, {full} FLOPs forward and {30 * full} in training; other")


@pytest.mark.parametrize(
    ("name", "value"),
    [("reference", {"maskable": 60320, "forward_flops": 1, "training_flops": 3}), ("budget_share", 0.5)],
)
def test_only_the_dense_nets_for_comparison_are_narrower_or_shorter(name, value):
    made = make("static", 0.9, 0)
    made["config"][name] = value
    (line,) = declared.refusals(made["config"])
    assert line == f"{name}: the config has one, the method static has none"


def test_a_full_net_that_its_width_does_not_leave_is_refused():
    config = made_small(0.9)
    assert declared.refusals(config) == []
    weights = sum(layer["weights"] for layer in config["layers"])
    for maskable, said in ((5 * weights, "are more than a net of sparsity 0.9 has"), (10**9, "leaves more than")):
        config["reference"]["maskable"] = maskable
        (line,) = declared.refusals(config)
        assert said in line
    del config["reference"]
    assert declared.refusals(config) == ["reference: missing, which the sparsity of small_dense refers to"]


def made_small(sparsity):
    """Return the config of a record of a narrow net."""
    run = settled(small("small_dense", sparsity=sparsity))
    return {**to_dict(run), **prepare(run).describe()}


def test_a_constant_fan_in_says_how_many_neurons_share_the_weights_of_each_layer(tmp_path):
    made = record(small("srigl"), tmp_path)
    neurons = made["metrics"]["active_neurons"]
    ending = made["topology"][-1]["active"]
    assert list(neurons) == [layer["name"] for layer in made["config"]["layers"]]
    assert all(kept % count == 0 for kept, count in zip(ending, neurons.values(), strict=True))
    assert counts.refusals(made) == []
    last = made["config"]["layers"][-1]["name"]
    neurons[last] -= 3  # of 10
    assert counts.refusals(made) == [f"active_neurons: 7 in {last} cannot share {ending[-1]} active weights evenly"]
