"""MNIST-1D and its networks: the published signals, what is masked, what it costs, and short runs of every method."""

import pytest
import torch
from natural import SIGNALS
from runs import METHODS, record, small
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness import config
from harness.audit import counts, plausible
from harness.audit.second_count import forward_flops
from harness.budget.measure import measure
from harness.errors import UsageError
from harness.plan.planned import plan
from harness.tasks import data
from harness.tasks.data.sets import mnist1d
from harness.tasks.inputs import load_data
from harness.tasks.models import build
from harness.tasks.models.signal import GRULayer
from harness.training.prepare import prepare
from methods.parts.distributions import erk

SHAPE = SIGNALS.shape
DATASET = {"name": "mnist1d", "shape": [1, 40], "classes": 10, "mean": [], "std": []}
DATASET |= {"train_examples": 4000, "val_examples": 400, "test_examples": 1000}


def executed(*overrides):
    run = config.resolve(["dataset=mnist1d", *overrides])
    prepare(run)
    load_data(run)


def run_of(method, model, steps=12, **more):
    run = small(method, f"steps:{steps}", dataset=DATASET, evaluations=1, **more)
    run.model.name = model
    return run


def test_the_signals_are_those_that_the_authors_package_makes():
    arrays = mnist1d._made()
    assert arrays.digest() == mnist1d.SHA256 == data.fingerprint(DATASET)
    signals = torch.cat([arrays.train_inputs, arrays.test_inputs])
    assert (signals.dtype, signals.shape) == (torch.float32, (5000, 1, 40))
    assert signals.mean().abs() < 1e-5
    assert signals.std() == pytest.approx(1, abs=1e-4)
    classes = torch.cat([arrays.train_targets, arrays.test_targets])
    assert classes.bincount().tolist() == [500] * 10


def test_other_signals_are_refused_rather_than_trained_on(monkeypatch):
    monkeypatch.setattr(mnist1d, "_SCALE", 0.5)
    with pytest.raises(UsageError, match=r"dataset=mnist1d: .* make other signals here than the published ones"):
        mnist1d._made.__wrapped__()


def test_signals_are_served_as_they_are_and_each_class_has_its_share_of_the_validation_split():
    run, arrays = run_of("static", "conv1d"), mnist1d._made()
    parts = load_data(run)
    assert [part.samples for part in (parts.train, parts.val, parts.test)] == [3600, 400, 1000]
    given, labels = (torch.cat(each) for each in zip(*parts.test.epoch(0), strict=True))
    assert torch.equal(given, arrays.test_inputs)
    assert torch.equal(labels, arrays.test_targets)
    held = torch.cat([labels for _, labels in parts.val.epoch(0)]).bincount()
    assert ((held - 0.1 * arrays.train_targets.bincount()).abs() <= 1).all()


def test_what_only_images_can_have_is_refused_by_name():
    for override, reason in (
        ("recipe.augment=crop", "recipe.augment"),
        ("corruptions=true", "corruptions=true: images that are classified are corrupted, and mnist1d has none"),
        ("model=convnet", "Conv2d|images|conv2d|shape"),
    ):
        with pytest.raises(UsageError, match=reason):
            executed(override)


def test_every_matrix_of_the_networks_is_masked_and_nothing_else():
    found = {name: measure(build(name, 10, SHAPE, 0), SIGNALS).layers for name in ("conv1d", "gru")}
    assert {layer.name: layer.weights for layer in found["conv1d"]} == {
        "conv1.weight": 32 * 5,
        "conv2.weight": 32 * 32 * 3,
        "conv3.weight": 32 * 32 * 3,
        "classifier.weight": 32 * 5 * 10,
    }
    assert {layer.name: layer.weights for layer in found["gru"]} == {
        "layer.inputs.weight": 192,
        "layer.state.weight": 192 * 64,
        "classifier.weight": 640,
    }
    assert {layer.uses for layer in found["gru"][:-1]} == {40}  # once for each value of a signal
    paper = measure(build("conv1d", 10, SHAPE, 0, width=25 / 32), SIGNALS)
    assert sum(layer.weights for layer in paper.layers) == 25 * 5 + 2 * 25 * 25 * 3 + 125 * 10


@pytest.mark.parametrize("name", ["conv1d", "gru"])
def test_the_ledger_has_what_torch_and_fvcore_count(name):
    model = build(name, 10, SHAPE, 0)
    costs = measure(model, SIGNALS)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, *SHAPE))
    assert costs.dense == counter.get_total_flops() == forward_flops(model, SIGNALS)
    assert costs.fixed == 0


def test_erk_goes_by_the_sides_of_a_matrix_and_by_those_of_a_kernel():
    for name, density, dense in (("gru", 0.1, "layer.inputs.weight"), ("conv1d", 0.3, "conv1.weight")):
        costs = measure(build(name, 10, SHAPE, 0), SIGNALS)
        densities = dict(zip((layer.name for layer in costs.layers), erk(costs.shapes, density), strict=True))
        assert [layer for layer, share in densities.items() if share == 1] == [dense]
        kept = sum(densities[layer.name] * layer.weights for layer in costs.layers)
        assert kept == pytest.approx(density * sum(layer.weights for layer in costs.layers))
        assert costs.stem == (0 if name == "conv1d" else None)  # what `uniform` keeps dense


def test_a_recurrent_layer_computes_what_that_of_torch_does():
    ours, theirs = GRULayer(3, 8), nn.GRU(3, 8, batch_first=True)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.inputs.weight)
        theirs.weight_hh_l0.copy_(ours.state.weight)
        theirs.bias_ih_l0.copy_(ours.inputs.bias)
        theirs.bias_hh_l0.copy_(ours.state.bias)
    given = torch.randn(4, 12, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(ours(given), theirs(given)[0], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 8, 8), (40,), (1, 7)])
@pytest.mark.parametrize("name", ["conv1d", "gru"])
def test_what_is_no_signal_is_refused(name, shape):
    with pytest.raises(UsageError, match=rf"model '{name}' takes signals, \[channels, 8 values or more\], not \["):
        build(name, 10, shape, 0)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "small_dense"])
def test_every_method_trains_convolutions_over_time(method, tmp_path):
    made = record(run_of(method, "conv1d"), tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert counts.refusals(made) + plausible.refusals(made) == []


@pytest.mark.parametrize("model", ["conv1d", "gru"])
def test_a_narrower_net_has_the_weights_of_a_sparse_one(model):
    run = config.resolve(["dataset=mnist1d", f"model={model}", "method=small_dense", "sparsity=0.9", "runner=local"])
    (planned,) = plan([run])
    full, narrow = (measure(build(model, 10, SHAPE, 0, width=width), SIGNALS) for width in (1, planned.run.model.width))
    weights = [sum(layer.weights for layer in costs.layers) for costs in (full, narrow)]
    assert 0.07 < weights[1] / weights[0] <= 0.1


@pytest.mark.parametrize("method", ["gmp", "granet", "grasp", "rigl", "snip", "srigl", "sr_ste", "str", "synflow"])
def test_methods_of_every_kind_train_a_recurrent_net(method, tmp_path):
    made = record(run_of(method, "gru", steps=8), tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert counts.refusals(made) + plausible.refusals(made) == []
