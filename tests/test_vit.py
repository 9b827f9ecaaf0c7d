"""The vision transformers: their sizes, what is masked, what they cost, and short runs of many kinds of method."""

import math

import pytest
import torch
from networks import EVERY_STEP
from runs import record, small
from test_zoo import assert_counts_agree
from torchvision.models import vit_b_16

from harness import config
from harness.audit import counts
from harness.budget.measure import measure
from harness.errors import UsageError
from harness.plan.planned import plan
from harness.tasks.models import build, maskable
from methods.parts.distributions import Shapes, erk, uniform

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
BLOCK = ["attention.qkv", "attention.projection", "hidden", "output"]


def layers(shape=GREY, classes=10):
    return measure(build("vit_tiny", classes, shape, 0), shape, classes=classes).layers


def test_every_matrix_of_the_small_one_is_masked_and_nothing_else():
    found = {layer.name: layer.weights for layer in layers()}
    blocks = [f"blocks.{number}.{name}.weight" for number in range(6) for name in BLOCK]
    assert list(found) == ["patches.weight", *blocks, "head.weight"]
    assert sum(found.values()) == 64 * 49 + 6 * (4 + 4) * 64**2 + 640 == 200_384
    model = build("vit_tiny", 10, GREY, 0)
    rest = {name: each.shape for name, each in model.named_parameters() if name not in found}
    assert (rest.pop("class_token"), rest.pop("positions")) == ((1, 1, 64), (1, 17, 64))
    assert {len(shape) for shape in rest.values()} == {1}  # biases and normalisation


@pytest.mark.parametrize(("shape", "tokens"), [(GREY, 17), (COLOUR, 65), ((1, 8, 8), 5), ((1, 14, 28), 9)])
def test_patches_of_7_pixels_tile_the_image_or_patches_of_4_do(shape, tokens):
    model = build("vit_tiny", 5, shape, 0)
    assert model.positions.shape == (1, tokens, 64)
    assert model(torch.zeros(2, *shape)).shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("vit_tiny", (1, 30, 30), "'vit_tiny' has patches of 7x7 or 4x4 pixels, which do not tile images of 30x30"),
        ("vit_b_16", GREY, "'vit_b_16' needs square images of a multiple of 16 pixels, not of 28x28"),
        ("vit_b_16", (3, 224, 192), "'vit_b_16' needs square images of a multiple of 16 pixels, not of 224x192"),
    ],
)
def test_images_that_patches_do_not_tile_are_refused(name, shape, message):
    with pytest.raises(UsageError, match=message):
        build(name, 10, shape, 0)


@pytest.mark.parametrize("shape", [GREY, COLOUR])
def test_the_small_one_costs_what_torch_counts_in_both_modes(shape):
    model = build("vit_tiny", 10, shape, 0)
    costs = measure(model, shape, classes=10)
    assert_counts_agree(model, shape, costs)
    tokens = model.positions.shape[1]
    assert costs.fixed == 2 * 6 * 2 * tokens**2 * 64  # scores and weighted values, which no mask makes cheaper


def test_torchvision_s_is_unchanged_in_names_and_sizes_and_its_projections_are_masked_apart():
    ours = build("vit_b_16", 1000, (3, 224, 224), 0, "meta")
    with torch.device("meta"):
        theirs = vit_b_16()
    assert {name: each.shape for name, each in ours.named_parameters()} == {
        name: each.shape for name, each in theirs.named_parameters()
    }
    found = {name: weight.shape for name, weight in maskable(ours, (3, 224, 224))}
    assert sum(math.prod(shape) for shape in found.values()) == 86_292_480
    first = "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"
    assert [found[f"{first}.{part}"] for part in "qkv"] == [(768, 768)] * 3
    assert not [name for name in found if "class_token" in name or "pos_embedding" in name]


@pytest.mark.parametrize(("name", "shape", "width"), [("vit_tiny", GREY, 1.0), ("vit_b_16", (1, 32, 32), 0.1)])
def test_at_the_start_every_matrix_has_a_gradient(name, shape, width):
    model = build(name, 10, shape, 0, width=width)
    torch.nn.functional.cross_entropy(model(torch.randn(8, *shape)), torch.arange(8)).backward()
    assert all(weight.grad.abs().sum() > 0 for weight in model.parameters() if weight.ndim > 1)


def test_erk_on_matrices_follows_their_sides_and_uniform_leaves_the_patch_embedding_dense():
    costs = measure(build("vit_tiny", 10, GREY, 0), GREY)
    densities = dict(zip((layer.name for layer in costs.layers), erk(costs.shapes, 0.1), strict=True))
    raw = {"patches": (64 + 1 + 7 + 7) / (64 * 49), "head": (10 + 64) / (10 * 64)}
    raw |= {"blocks.0.attention.qkv": (192 + 64) / (192 * 64), "blocks.0.attention.projection": 2 / 64}
    scale = densities["head.weight"] / raw["head"]
    assert {name: densities[f"{name}.weight"] for name in raw} == pytest.approx(
        {name: scale * value for name, value in raw.items()}
    )
    assert sum(layer.weights * densities[layer.name] for layer in costs.layers) == pytest.approx(20_038.4)
    even = uniform(Shapes(costs.shapes, costs.shapes.stem), 0.1)
    assert even[0] == 1
    assert len(set(even[1:])) == 1


@pytest.mark.parametrize("method", ["static", "rigl", "gmp", "srigl", "snip", "grasp", "synflow", "small_dense"])
def test_the_small_one_trains_two_steps_at_90_percent_with_exact_counts(method, tmp_path):
    run = small(method, "steps:2", evaluations=1, **EVERY_STEP.get(method, {}))
    run.model.name = "vit_tiny"
    (planned,) = plan([run])  # which solves the width of small_dense
    made = record(planned.run, tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert counts.refusals(made) == []


@pytest.mark.parametrize("method", ["static", "rigl", "gmp"])
def test_torchvision_s_trains_two_steps_at_90_percent_with_exact_counts(method, tmp_path):
    images = {"train_examples": 24, "val_examples": 8, "test_examples": 8, "shape": list(COLOUR)}
    images |= {"mean": [0.5] * 3, "std": [0.3] * 3}
    run = small(
        method, "steps:2", dataset=images, recipe={"batch_size": 8}, evaluations=1, **EVERY_STEP.get(method, {})
    )
    run.model = config.ModelConfig("vit_b_16", 0.1)
    made = record(run, tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert counts.refusals(made) == []
    assert abs(made["metrics"]["active"] - round(0.1 * made["metrics"]["maskable"])) <= 1


def test_named_layers_of_it_stay_dense():
    costs = measure(build("vit_tiny", 10, GREY, 0), GREY, ["patches.weight", "head.weight"])
    assert sum(layer.weights for layer in costs.layers) == 6 * 8 * 64**2
    with pytest.raises(UsageError, match=r"unknown layer 'heads.weight'.*head.weight"):
        measure(build("vit_tiny", 10, GREY, 0), GREY, ["heads.weight"])


def test_deit_s_recipe_is_its_table_as_far_as_settings_go():
    recipe = config.resolve(["dataset=imagenet", "model=vit_b_16", "recipe=deit"]).recipe
    assert (recipe.optimizer, recipe.lr, recipe.batch_size) == ("adamw", 5e-4 * 1024 / 512, 1024)
    assert (recipe.epochs, recipe.warmup_epochs, recipe.lr_shape) == (300, 5, "cosine")
    assert (recipe.weight_decay, recipe.decay_normalisation, recipe.label_smoothing) == (0.05, False, 0.1)
