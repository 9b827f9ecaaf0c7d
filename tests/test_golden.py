"""The reference implementations' numbers, reproduced (tests/golden)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from methods import Masks, Moment, build
from methods.parts.distributions import erk, uniform
from methods.parts.schedules import cosine_fraction, cubic_density

GOLDEN = Path(__file__).parent / "golden"
ERK = {
    (net, density): case
    for net, cases in json.loads((GOLDEN / "erk.json").read_text()).items()
    if net != "about"
    for density, case in cases.items()
}
SCHEDULES = json.loads((GOLDEN / "schedules.json").read_text())
EVENTS = json.loads((GOLDEN / "events.json").read_text())


@pytest.mark.parametrize("case", ERK.values(), ids=[f"{net}-{density}" for net, density in ERK])
def test_erk_gives_the_reference_densities_and_dense_layers(case):
    layers = case["layers"]
    density = sum(layer["expected_nnz"] for layer in layers) / sum(layer["numel"] for layer in layers)
    ours = erk([layer["shape"] for layer in layers], float(f"{density:.6f}"))
    assert ours == pytest.approx([layer["density"] for layer in layers], rel=1e-9)
    dense = [layer["name"] for layer, d in zip(layers, ours, strict=True) if d == 1]
    assert sorted(dense) == sorted(case["dense_layers_in_order_made_dense"])


@pytest.mark.parametrize("case", ERK.values(), ids=[f"{net}-{density}" for net, density in ERK])
def test_erk_and_uniform_forward_cost_agree_with_the_reference(case):
    layers = case["layers"]
    shapes, macs = [layer["shape"] for layer in layers], [layer["macs"] for layer in layers]
    density = round(case["expected_density"], 6)

    def ratio(densities):
        return sum(d * m for d, m in zip(densities, macs, strict=True)) / sum(macs)

    assert ratio(erk(shapes, density)) == pytest.approx(case["flops_ratio_expected"], rel=1e-9)
    # The reference keeps the rest at the global density; ours pays for the dense first layer.
    assert ratio(uniform(shapes, density)) == pytest.approx(case["flops_ratio_uniform_first_dense"], abs=4e-4)


def test_cubic_density_follows_the_reference_tick_by_tick():
    case = SCHEDULES["granet_cifar10"]
    config, first, last = case["config"], case["ini_tick"], case["final_tick"]
    rows = [row for row in case["rows"] if row.get("target_density_formula") is not None]
    assert len(rows) == len(case["ticks_active"])
    for row in rows:
        share = (row["tick"] - first) / (last - first)
        ours = cubic_density(share, config["init_density"], config["final_density"])
        assert ours == pytest.approx(row["target_density_formula"], abs=1e-12)


def test_granet_prunes_on_the_reference_ticks_and_on_the_last_one_which_the_reference_misses():
    case = SCHEDULES["granet_cifar10"]
    total = case["config"]["total_epochs"] * case["config"]["len_train_loader"]
    method = build({"name": "granet", "interval": 1000, "prune_end": 0.5})
    pruned = {}
    for step in range(1000, total, 1000):
        density = method.density(Moment(step, step / total, (step - 1) / total, total), 0.1)
        if density is not None:
            pruned[step // 1000] = density
    assert list(pruned) == [*case["ticks_active"], case["final_tick"]]
    assert pruned[case["final_tick"]] == 0.1


def test_cosine_fraction_follows_the_reference_and_stays_down_past_the_end():
    case = SCHEDULES["fraction_cifar10"]
    for row in case["rows"]:
        ours = cosine_fraction(row["step"] / case["T_max"], case["prune_rate"], end=case["eta_min"])
        assert ours == pytest.approx(row["rate_closed_form"], abs=1e-12)
    case = SCHEDULES["rigl_fraction_imagenet"]
    for row in case["rows"]:
        assert cosine_fraction(row["step"] / case["T_end"], case["alpha"]) == pytest.approx(row["rate"], abs=1e-12)
    assert cosine_fraction(1.2, 0.5, end=0.005) == 0.005


class _State:
    """The inputs of the golden events, as a model under masks with an SGD that has momentum."""

    def __init__(self):
        arrays = np.load(GOLDEN / "event_inputs.npz")
        self.names = list(EVENTS["rigl_event"]["layers"])
        self.weights = [nn.Parameter(torch.tensor(arrays[f"{n}|weight"])) for n in self.names]
        for name, weight in zip(self.names, self.weights, strict=True):
            weight.grad = torch.tensor(arrays[f"{name}|grad"])
        self.optimizer = torch.optim.SGD(self.weights, lr=0.1, momentum=0.9)
        for name, weight in zip(self.names, self.weights, strict=True):
            self.optimizer.state[weight]["momentum_buffer"] = torch.tensor(arrays[f"{name}|momentum"])
        self.masks = Masks(list(zip(self.names, self.weights, strict=True)), torch.Generator())
        self.masks.attach(self.optimizer)
        self.masks.load_state_dict(
            {
                "masks": [torch.tensor(arrays[f"{n}|mask"]).bool() for n in self.names],
                "explored": [torch.tensor(arrays[f"{n}|mask"]).bool() for n in self.names],
                "generator": torch.Generator().get_state(),
            }
        )
        self.masks.hold_gradients()

    def differences(self, name):
        """Weights whose mask, value or momentum is not the reference's, after the event called ``name``."""
        arrays = np.load(GOLDEN / f"event_{name}.npz")
        found = []
        for layer, weight, (_, mask) in zip(self.names, self.weights, self.masks.tensors(), strict=True):
            momentum = self.optimizer.state[weight]["momentum_buffer"]
            ours = {"mask": mask, "weight": weight.detach(), "momentum": momentum}
            differ = {k: v.float().numpy() != arrays[f"{layer}|{k}"].astype("float32") for k, v in ours.items()}
            found += [
                (layer, tuple(at), {k: d[tuple(at)] for k, d in differ.items()})
                for at in np.argwhere(sum(differ.values()))
            ]
        return found


def test_rigl_event_gives_the_reference_masks_weights_and_momentum():
    state, case = _State(), EVENTS["rigl_event"]
    method = build({"name": "rigl", "fraction": 0.3, "until": 1.0, "interval": 10})
    method.update(state.masks, Moment(10, 0.1, 0.09, 100), 0.1)
    assert cosine_fraction(0.1, 0.3) == pytest.approx(case["drop_fraction"], abs=1e-15)
    assert state.differences("rigl_event") == []
    assert state.masks.active == [layer["nnz_after"] for layer in case["layers"].values()]


def test_granet_regeneration_gives_the_reference_masks_weights_and_momentum():
    state, case = _State(), EVENTS["granet_regenerate"]
    method = build({"name": "rigl_itop", "fraction": case["prune_rate"], "interval": 10})
    method.update(state.masks, Moment(10, 0.0, 0.0, 100), 0.1)
    assert state.differences("granet_regenerate") == []


def test_granet_pruning_gives_the_reference_state_but_for_the_weight_its_strict_comparison_drops():
    state, case = _State(), EVENTS["granet_prune"]
    method = build({"name": "gmp", "interval": 10, "init_density": 0.5, "prune_end": 0.5})
    method.update(state.masks, Moment(40, 0.2, 0.195, 200), case["final_density"])
    (difference,) = state.differences("granet_prune")
    assert difference[2]["mask"]
    kept = sum(layer["nnz_after"] for layer in case["layers"].values())
    assert sum(state.masks.active) == kept + 1
