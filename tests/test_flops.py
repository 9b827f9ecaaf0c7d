"""The ledger: what a model costs, what a run is charged, and what a plan says of it before."""

import json
import logging
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from natural import inputs_of
from runs import FIXED_DENSITY, METHODS, PER_EPOCH, record, small, train
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from harness.budget.costs import Costs, LayerCost
from harness.budget.epoch import budget_samples
from harness.budget.measure import measure
from harness.config import resolve
from harness.errors import UsageError
from harness.plan.forecast import forecast
from harness.plan.price import price
from harness.tasks.models import MODELS, build
from harness.training.prepare import prepare
from methods.parts.distributions import erk, uniform

GOLDEN = Path(__file__).parent / "golden"
SIDES = {"resnet50": 224, "mlp": 28}
# Attention has products of activations beside its layers: test_vit.py and test_zoo.py count transformers.
BY_LAYER = [name for name in MODELS if not name.startswith(("vit", "gpt", "llama"))]


@pytest.mark.parametrize("name", BY_LAYER)
def test_every_layer_costs_what_another_counter_says_and_nothing_else_costs_anything(name):
    shape = inputs_of(name, SIDES.get(name, 32)).shape
    model = build(name, 10, shape, 0)
    costs = measure(model, shape)
    model.to("meta").eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, *shape, device="meta"))
    counted = {
        module.partition(".")[2]: sum(operators.values()) for module, operators in counter.get_flop_counts().items()
    }
    assert {layer.name: 2 * layer.macs for layer in costs.layers} == {
        layer.name: counted[layer.name.removesuffix(".weight")] for layer in costs.layers
    }
    assert costs.dense == counter.get_total_flops()
    assert costs.fixed == 0


@pytest.mark.parametrize("name", BY_LAYER)
def test_every_layer_costs_what_fvcore_says_too(name):
    shape = inputs_of(name, SIDES.get(name, 32)).shape
    model = build(name, 10, shape, 0).eval()
    analysis = FlopCountAnalysis(model, torch.zeros(1, *shape))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    found = analysis.by_module_and_operator()
    assert {layer.name: layer.macs for layer in measure(model, shape).layers} == {
        f"{module}.weight": sum(by_operator[product] for product in ("conv", "linear"))
        for module, by_operator in found.items()
        if isinstance(model.get_submodule(module), nn.Conv1d | nn.Conv2d | nn.Linear)
    }


def test_measuring_leaves_the_model_and_all_generators_as_they_were():
    model = build("convnet", 10, (1, 8, 8), 0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())
    measure(model, (1, 8, 8))
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(states[0], torch.get_rng_state())
    assert (random.getstate(), repr(np.random.get_state())) == states[1:]


class Attention(nn.Module):
    """One head over the rows of an image, with the products written out or not."""

    def __init__(self, fused):
        super().__init__()
        self.mix = nn.Linear(6, 12)
        self.fused = fused

    def forward(self, images):
        query, key = self.mix(images[:, 0]).chunk(2, dim=-1)
        if self.fused:
            return F.scaled_dot_product_attention(query, key, key)
        return (query @ key.transpose(1, 2)).softmax(-1) @ key


@pytest.mark.parametrize("fused", [False, True])
def test_products_without_a_mask_are_a_fixed_cost(fused):
    costs = measure(Attention(fused), (1, 4, 6))
    assert costs.layers == (LayerCost("mix.weight", (12, 6), 72, 4),)
    assert costs.fixed == 2 * (2 * 4 * 4 * 6)
    assert costs.forward([0]) == costs.fixed


class Distance(nn.Module):
    """Uses an operator whose cost nobody has told."""

    def __init__(self):
        super().__init__()
        self.mix, self.centres = nn.Linear(6, 6), nn.Parameter(torch.randn(3, 6))

    def forward(self, images):
        return torch.cdist(self.mix(images.flatten(1)), self.centres)


def test_an_operator_of_unknown_cost_is_an_error_that_names_it():
    with pytest.raises(UsageError, match=r"Distance .*unknown cost: aten::_(cdist_forward|euclidean_dist);") as caught:
        measure(Distance(), (1, 2, 3))
    assert "\n" not in str(caught.value)


class Tied(nn.Module):
    """Two layers that share a weight, one of them used twice, and a head."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False)
        self.other.weight = self.one.weight
        self.head = nn.Linear(6, 2)

    def forward(self, images):
        return self.head(self.one(self.other(self.one(images.flatten(1)))))


def test_a_tied_weight_is_charged_at_its_mask_s_density_once_for_each_use():
    model = Tied()
    costs = measure(model, (1, 2, 3))
    assert [(layer.name, layer.weights, layer.uses) for layer in costs.layers] == [
        ("one.weight", 36, 3),
        ("head.weight", 12, 1),
    ]
    assert costs.fixed == 0
    assert costs.forward([4, 1]) == 2 * (3 * 4 + 1)


def test_a_layer_outside_the_masks_stays_a_fixed_cost():
    model = build("convnet", 10, (1, 8, 8), 0)
    every = measure(model, (1, 8, 8))
    but_first = measure(model, (1, 8, 8), [every.layers[0].name])
    assert but_first.dense == every.dense
    assert but_first.fixed == 2 * every.layers[0].macs


def test_a_training_image_costs_three_passes_and_a_dense_gradient_makes_one_of_them_dense():
    costs = Costs((LayerCost("one", (10, 10), 100, 3), LayerCost("two", (5, 10), 50, 1)), fixed=7)
    assert (costs.dense, costs.forward([10, 5])) == (2 * (300 + 50) + 7, 2 * (30 + 5) + 7)
    assert costs.training([10, 5]) == 3 * 77
    assert costs.training([10, 5], dense_gradient=True) == 2 * 77 + 707


def test_the_last_batch_of_an_epoch_is_what_remains():
    assert [budget_samples(steps, 72, 16) for steps in (0, 1, 4, 5, 6, 10)] == [0, 16, 64, 72, 88, 144]


def recounted(made):
    """Add up what a record's topology and config say, iteration by iteration."""
    layers, recipe, dataset = made["config"]["layers"], made["config"]["recipe"], made["config"]["dataset"]
    size = dataset["train_examples"] - dataset["val_examples"]
    starts = range(0, size, recipe["batch_size"])
    batches = [min(recipe["batch_size"], size - start) for start in starts]

    def forward(active):
        products = sum(2 * layer["uses"] * count for layer, count in zip(layers, active, strict=True))
        return products + made["config"]["fixed_flops"]

    dense = forward([layer["weights"] for layer in layers])
    total = 0
    for step in range(1, made["cost"]["steps"] + 1):
        before = [entry for entry in made["topology"] if entry["step"] < step][-1]
        sparse, third = forward(before["active"]), forward(before.get("gradient", before["active"]))
        grows = any(entry["step"] == step and entry["dense_gradient"] for entry in made["topology"])
        total += batches[(step - 1) % len(batches)] * (2 * sparse + (dense if grows else third))
    probe = made["config"].get("probe")
    return total + (0 if probe is None else 3 * dense * probed(probe, batches, dataset)[1])


def probed(probe, batches, dataset):
    """Count the images of a probe, and the dense training images that it costs."""
    images = probe["per_class"] * dataset["classes"] or sum(batches[: probe["batches"]])
    second = 3 if images <= batches[0] else 4  # the gradient of what is more than a batch is computed twice
    return images, images * (second if probe["hessian"] else 1) + probe["flows"]


@pytest.mark.parametrize("name", METHODS)
def test_anyone_can_recount_a_run_from_its_record_exactly(name, tmp_path):
    made = record(small(name, "steps:33"), tmp_path)
    assert made["status"] == "done"
    cost, topology = made["cost"], made["topology"]
    assert cost["train_flops"] == recounted(made)
    images = budget_samples(33, 72, 16)
    assert cost["samples"] == images + cost.get("probe", {"samples": 0})["samples"]
    assert cost["inference_flops"] == 2 * sum(
        layer["uses"] * active for layer, active in zip(made["config"]["layers"], topology[-1]["active"], strict=True)
    )
    assert cost["train_flops_ratio"] == pytest.approx(cost["train_flops"] / (3 * cost["dense_forward_flops"] * images))
    grows = {"rigl", "rigl_itop", "granet", "granet_s0", "srigl"}
    assert any(entry["dense_gradient"] for entry in topology) is (name in grows)


def test_a_run_on_seconds_can_be_recounted_too(tmp_path):
    made = record(small("rigl", "seconds:0.4", interval=1, until=1.0), tmp_path)
    assert made["cost"]["train_flops"] == recounted(made)


def foretold(run):
    task = prepare(run)
    return forecast(
        run.method,
        run.sparsity,
        task.budget,
        task.costs,
        [weight for _, weight in task.layers],
        train_samples=task.train_samples,
        batch_size=run.recipe.batch_size,
    )


@pytest.mark.parametrize("budget", ["steps:33", f"steps:{3 * PER_EPOCH}x1.5", "epochs:5", "flops:0.2"])
@pytest.mark.parametrize("name", METHODS)
def test_the_plan_foretells_the_price_exactly_where_the_method_fixes_layer_densities(name, budget):
    run = small(name, budget)
    expected, made = foretold(run), train(run)
    spent = made.course.ledger.flops
    if name in FIXED_DENSITY:
        assert (expected.train_flops, expected.active) == (spent, made.masks.active)
    elif run.method.exact:  # else training alone decides what is left
        assert expected.train_flops == pytest.approx(spent, rel=0.15)
        assert sum(expected.active) == pytest.approx(sum(made.masks.active), abs=1)


def test_the_plan_is_exact_over_a_long_course_too():
    """Ten thousand steps, booked from event to event, against one by one."""
    run = small("rigl", "flops:1", interval=7, recipe={"epochs": 400})
    task = prepare(run)
    course, active = task.course(run), [int(0.1 * layer.weights) for layer in task.costs.layers]
    blocks = task.course(run)
    while not course.clock.done:
        course.take(course.next(active))
    while not blocks.clock.done:
        if not blocks.skip(active, 6):
            blocks.take(blocks.next(active))
    assert course.ledger == blocks.ledger


def test_no_plan_knows_how_many_steps_seconds_hold():
    expected = foretold(small("granet", "seconds:5"))
    assert expected.train_flops is None
    assert sum(expected.active) == pytest.approx(0.1 * 93_728, abs=1)


def planned(method, sparsity=0.0, budget="steps:32000"):
    """Plan ResNet-50 on ImageNet in RigL's recipe; nothing of it is there or needed."""
    chosen = ["dataset=imagenet", "recipe=imagenet_rigl", f"method={method}", f"sparsity={sparsity}"]
    return price(resolve([*chosen, f"budget={budget}", "device=cpu"]), f"{method} {sparsity} {budget}").entry()


def test_a_dense_resnet50_costs_what_the_papers_say():
    entry = planned("dense")
    assert entry["dense_forward_flops"] == pytest.approx(8.18e9, rel=0.005)
    assert (entry["train_flops_ratio"], entry["inference_flops_ratio"]) == (1, 1)


@pytest.mark.parametrize(("sparsity", "inference", "training"), [(0.8, 0.414, 0.416), (0.9, 0.242, 0.244)])
def test_erk_on_resnet50_costs_what_the_papers_say(sparsity, inference, training):
    entry = planned("rigl", sparsity)
    assert entry["inference_flops_ratio"] == pytest.approx(inference, abs=0.001)
    assert entry["train_flops_ratio"] == pytest.approx(training, abs=0.003)


@pytest.mark.parametrize(("sparsity", "training"), [(0.8, 0.559), (0.9, 0.504)])
def test_gradual_pruning_of_resnet50_costs_what_the_papers_say(sparsity, training):
    assert planned("gmp_uniform", sparsity)["train_flops_ratio"] == pytest.approx(training, abs=0.003)


def test_rigl_stretched_five_times_costs_what_the_papers_say():
    assert planned("rigl", 0.8, "steps:32000x5")["train_flops_ratio"] == pytest.approx(2.08, abs=0.02)


@pytest.mark.parametrize(
    ("distribution", "density", "printed"), [(erk, 0.2, 0.42), (erk, 0.1, 0.24), (uniform, 0.2, 0.23)]
)
def test_counted_as_rigl_s_own_code_does_the_ratios_are_those_it_prints(distribution, density, printed):
    """One more operation for each output, the ReLU's, and a first convolution on an input padded to 230 pixels."""
    layers = json.loads((GOLDEN / "erk.json").read_text())["resnet50_imagenet"]["density_0.2"]["layers"]
    shapes = [layer["shape"] for layer in layers]

    def total(densities):
        products = outputs = 0.0
        for layer, kept in zip(layers, densities, strict=True):
            positions = layer["macs"] / layer["numel"]
            if layer["name"] == "conv1.weight":
                positions *= (115 / 112) ** 2
            products += 2 * kept * layer["numel"] * positions
            outputs += layer["shape"][0] * positions
        return products + outputs

    assert round(total(distribution(shapes, density)) / total([1.0] * len(shapes)), 2) == printed
