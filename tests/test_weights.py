"""Where weights go in a network: what follows them, what they cost when they are skipped, what cannot be followed."""

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from networks import CLASSES, COUNTED, SHAPE, Auxiliary, Encoder, Latent, Ornate, Skipping, run_of
from runs import record, train
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from harness.audit import counts
from harness.budget.measure import measure
from harness.errors import UnfitError, UsageError
from harness.plan import grid
from harness.training.prepare import sized


def test_a_packed_projection_is_three_masked_matrices(monkeypatch):
    made = train(run_of(monkeypatch, COUNTED["attention"], "rigl", budget="steps:4"))
    masks = dict(made.masks.tensors())
    names = [f"itself.in_proj_weight.{part}" for part in "qkv"]
    assert [name for name in masks if name.startswith("itself")] == [*names, "itself.out_proj.weight"]
    whole = made.model.itself.in_proj_weight
    momentum = next(part for part in made.optimizer.state[whole].values() if part.shape == whole.shape)
    for name, rows, velocity in zip(names, whole.chunk(3), momentum.chunk(3), strict=True):
        alive = masks[name]
        assert 0 < int(alive.sum()) < alive.numel() == rows.numel()
        assert not rows[~alive].any()
        assert not velocity[~alive].any()
        assert velocity[alive].any()
    assert made.masks.outside() == 0
    made.model.itself.in_proj_weight.data[0] = 1.0
    assert made.masks.outside() > 0
    made.masks.reapply()
    assert made.masks.outside() == 0


@pytest.mark.parametrize("method", ["static", "rigl", "gmp"])
def test_a_layer_that_steps_skip_at_random_trains_as_if_its_gradient_were_zero(method, monkeypatch, tmp_path):
    run = run_of(monkeypatch, Skipping, method, budget="steps:12")
    made = record(run, tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert counts.refusals(made) == []
    (note,) = sized(run).notes[:1]
    assert note.startswith("the model does not do the same in every training pass")


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: torch.rand(()).item()])
def test_a_layer_that_is_skipped_at_random_is_charged_as_in_the_costliest_pass(draw):
    costs = measure(Skipping(draw), SHAPE)
    assert [(layer.name, layer.uses, layer.trained_uses) for layer in costs.layers] == [
        ("entry.weight", 1, 1),
        ("head.weight", 1, 1),
        *((f"blocks.{i}.weight", 1, 1) for i in range(3)),
    ]
    assert costs.host_random


def test_a_recorded_step_does_not_repeat_what_the_host_drew_once(monkeypatch):
    run = run_of(monkeypatch, Skipping, "static")
    run.graph = True
    with pytest.raises(UsageError, match="graph=true would repeat"):
        sized(run)
    run = run_of(monkeypatch, Encoder, "static")  # its dropout draws on the device
    run.graph = True
    assert sized(run)


def test_a_layer_that_runs_in_training_alone_is_charged_there(monkeypatch, tmp_path):
    made = record(run_of(monkeypatch, Auxiliary, "rigl"), tmp_path)
    layers = {layer["name"]: layer for layer in made["config"]["layers"]}
    assert layers["extra.0.weight"] == {
        "name": "extra.0.weight",
        "shape": [256, 192],
        "weights": 256 * 192,
        "uses": 0,
        "train_uses": 1,
    }
    assert "train_uses" not in layers["body.weight"]
    assert made["cost"]["dense_forward_flops"] == 2 * (192 * 32 + 32 * CLASSES)
    assert made["cost"]["train_flops_ratio"] < 0.5
    assert counts.refusals(made) == []
    layers["extra.0.weight"]["train_uses"] = 0
    assert counts.refusals(made)


def test_a_dense_layer_that_runs_in_training_alone_is_charged_there_too(monkeypatch, tmp_path):
    run = run_of(monkeypatch, Auxiliary, "rigl")
    run.dense_layers = ["extra.*"]
    config = record(run, tmp_path)["config"]
    assert [layer["name"] for layer in config["layers"]] == ["body.weight", "head.weight"]
    assert (config["fixed_flops"], config["train_fixed_flops"]) == (0, 2 * (192 * 256 + 256 * CLASSES))
    made = json.loads((tmp_path / "record.json").read_text())
    assert counts.refusals(made) == []
    made["config"]["train_fixed_flops"] += 2
    assert any("train_flops" in problem for problem in counts.refusals(made))


def test_of_two_parameters_that_are_multiplied_one_has_to_be_dense():
    with pytest.raises(UsageError, match=r"cannot mask latents, which is multiplied with query\.weight"):
        measure(Latent(), SHAPE)
    costs = measure(Latent(), SHAPE, ["latents"])
    assert [(layer.name, layer.uses) for layer in costs.layers] == [("query.weight", 4), ("head.weight", 1)]
    assert costs.fixed == 2 * (4 * 8 * 24 * 2)


def test_scales_shifts_and_gates_of_several_dimensions_are_no_products_by_hand():
    layers = measure(Ornate(), SHAPE).layers
    modules = ["conv", "one", "other", "time", "states", "head"]
    assert [layer.name for layer in layers] == [f"{module}.weight" for module in modules]


class Odd(nn.Module):
    """A small network that ends in something odd."""

    def __init__(self, end):
        super().__init__()
        self.body, self.end = nn.Linear(192, CLASSES), end

    def forward(self, images):
        return self.end(self, self.body(images.flatten(1)))


def _make_late(model, scores):
    model.late = nn.Parameter(torch.ones(CLASSES, CLASSES, device=scores.device))
    return scores @ model.late


def _replace(model, scores):
    model.body.weight.data = model.body.weight.data * 0.9
    return scores


def _write(model, scores):
    with torch.no_grad():
        model.body.weight.clamp_(-1, 1)
    return scores


def _branch(model, scores):
    for _ in range(int((scores < 1e9).sum())):
        scores = scores @ torch.eye(CLASSES)
    return scores


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda model, scores: (scores, scores), "returns a tuple in training mode, not one tensor"),
        (lambda model, scores: SimpleNamespace(logits=scores), "not one tensor: wrap it in a module"),
        (lambda model, scores: scores[:, :3], r"returns a tensor of shape \(2, 3\) for 2 samples in training mode"),
        (lambda model, scores: torch.from_numpy(scores.detach().numpy() * 2), "computes outside torch in training"),
        (lambda model, scores: (scores @ scores.t()) @ scores, "multiplies samples with each other"),
        (_branch, "decides by the values of its inputs what it computes"),
        (lambda model, scores: (scores.cfloat() @ torch.eye(CLASSES).cfloat()).real, "aten::mm of complex numbers"),
        (lambda model, scores: torch.linalg.pinv(scores).t(), "uses operators of unknown cost: aten::"),
        (_make_late, "makes the parameter late in its forward pass"),
        (_replace, "body.weight, which is replaced in the forward pass"),
        (_write, "body.weight, which is written to in the forward pass"),
        (lambda model, scores: 1 / 0, "cannot be run on inputs of shape .*: division by zero"),
    ],
)
def test_what_cannot_be_followed_is_refused(end, said):
    with pytest.raises(UsageError, match=said) as caught:
        measure(Odd(end), SHAPE, classes=CLASSES)
    assert "\n" not in str(caught.value)


def test_a_lazy_layer_is_refused_by_name():
    with pytest.raises(UsageError, match=r"1\.weight of Sequential has no shape yet"):
        measure(nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES)), SHAPE)


def test_complex_weights_are_refused_by_name():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 8, dtype=torch.cfloat), nn.Linear(8, CLASSES))
    with pytest.raises(UsageError, match=r"1\.weight of Sequential holds complex numbers \(torch\.complex64\)"):
        measure(model, SHAPE)


def test_parameters_that_share_memory_without_being_one_are_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 192), nn.Linear(192, 192), nn.Linear(192, CLASSES))
    model[2].weight = nn.Parameter(model[1].weight.data)
    with pytest.raises(UsageError, match=r"1\.weight and 2\.weight of Sequential share memory"):
        measure(model, SHAPE)


class Rows(nn.Module):
    """A convolution with circular padding, by a checkpoint, and its kernel once more by hand."""

    def __init__(self, reentrant):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), nn.Linear(4, CLASSES)
        self.depth = nn.Parameter(torch.randn(1, 1, 3, 3))
        self.reentrant = reentrant

    def forward(self, images):
        maps = checkpoint(self.conv, images.requires_grad_(), use_reentrant=self.reentrant)
        maps = F.conv2d(maps, self.depth.repeat(4, 1, 1, 1), groups=4)
        return self.head(maps.to(memory_format=torch.channels_last).mean((2, 3)))


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_and_repeated_kernels_are_followed(reentrant):
    layers = measure(Rows(reentrant), SHAPE, classes=CLASSES).layers
    assert [(layer.name, layer.uses) for layer in layers] == [
        ("depth", 4 * 36),
        ("conv.weight", 64),
        ("head.weight", 1),
    ]


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")  # users still have such networks
def test_a_compiled_network_is_counted_and_a_scripted_one_refused():
    plain = nn.Sequential(nn.Flatten(), nn.Linear(192, CLASSES))
    costs = measure(torch.compile(plain, backend="eager"), SHAPE)
    assert ([layer.uses for layer in costs.layers], costs.dense) == ([1], 2 * 192 * CLASSES)
    with pytest.raises(UsageError, match="is or holds a scripted module"):
        measure(torch.jit.trace(plain, torch.zeros(2, *SHAPE)), SHAPE)


def test_a_network_that_branches_on_values_is_traced_with_them():
    costs = measure(Odd(lambda model, scores: scores if scores.isfinite().all() else scores * 0), SHAPE)
    assert [(layer.name, layer.uses) for layer in costs.layers] == [("body.weight", 1)]
    assert costs.host_random


NOT_BY_OUTPUT = {"bare": {"matrix"}, "dimensions": {"up.weight"}, "grouped": {"mix"}, "tied": {"entry.weight"}}
"""Matrices that inputs are multiplied by as they are, a transposed convolution, a matrix used both ways."""


@pytest.mark.parametrize("name", COUNTED)
def test_weights_whose_first_dimension_is_not_that_of_the_outputs_are_told(name):
    layers = measure(COUNTED[name](), SHAPE).layers
    assert {layer.name for layer in layers if not layer.by_output} == NOT_BY_OUTPUT.get(name, set())


class Applied(nn.Module):
    """One weight, applied in some way to rows of 12 values."""

    def __init__(self, shape, way):
        super().__init__()
        self.weight, self.way = nn.Parameter(torch.randn(shape)), way

    def forward(self, images):
        return self.way(images.flatten(1), self.weight)


@pytest.mark.parametrize(
    ("shape", "way", "by_output"),
    [
        ((5, 12), F.linear, True),
        ((5, 12), lambda x, w: x @ w.t().contiguous(), True),
        ((5, 12), lambda x, w: (w @ x.t()).t(), True),
        ((5, 4, 3), lambda x, w: torch.einsum("bac,oac->bo", x.view(-1, 4, 3), w), True),
        ((5, 4, 3), lambda x, w: torch.einsum("bca,oca->bo", x.view(-1, 4, 3), w), True),
        ((5, 1), lambda x, w: F.linear(x[:, :1], w), True),
        ((5, 1, 3, 4), lambda x, w: F.conv2d(x.view(-1, 1, 3, 4), w).flatten(1), True),
        ((12, 5), torch.matmul, False),
        ((12, 12), torch.matmul, False),
        ((1, 6), lambda x, w: x[:, :1] @ w, False),
        ((12, 1), torch.matmul, False),
        ((4, 3, 5), lambda x, w: torch.einsum("bhd,hdk->bk", x.view(-1, 4, 3), w), False),
        ((2, 5, 12), lambda x, w: torch.einsum("bi,eoi->beo", x, w), False),
        ((1, 16, 4, 4), lambda x, w: F.conv_transpose2d(x.view(-1, 1, 3, 4), w).flatten(1), False),
        ((4, 4, 1, 1), lambda x, w: F.conv2d(x.view(-1, 4, 3, 1), w.transpose(0, 1)).flatten(1), False),
    ],
)
def test_the_first_dimension_is_that_of_the_outputs_where_each_is_a_sum_over_all_others(shape, way, by_output):
    (layer,) = measure(Applied(shape, way), (1, 3, 4)).layers
    assert layer.by_output == by_output


@pytest.mark.parametrize(("method", "init_fan"), [("srigl", "layer"), ("sr_ste", "layer"), ("static", "mask")])
def test_what_goes_by_the_inputs_of_each_output_is_refused_where_these_are_not_a_row(method, init_fan, monkeypatch):
    run = run_of(monkeypatch, COUNTED["grouped"], method)
    run.sparsity, run.model.init_fan = 0.5, init_fan
    with pytest.raises(UnfitError, match=rf"({method}|init_fan).*first dimension of mix is not known"):
        sized(run)
    if method != "static":
        with pytest.raises(UnfitError, match="first dimension of mix"):
            grid.require_fit(run)
    run.dense_layers = ["mix"]
    grid.require_fit(run)
    assert "mix" not in {layer.name for layer in sized(run).costs.layers}


def test_a_large_network_is_planned(monkeypatch):
    make = torchvision.models.vit_b_16
    run = run_of(monkeypatch, lambda: make(image_size=224, num_classes=CLASSES), "rigl", (3, 224, 224))
    assert sum(layer.weights for layer in sized(run).costs.layers) > 80_000_000
