"""Models: what is masked in which order, the published sizes, and initial weights that a seed decides."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from natural import inputs_of
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.errors import UsageError
from harness.places import TREE
from harness.tasks.models import MODELS, build, maskable

GOLDEN = json.loads((Path(__file__).parent / "golden" / "erk.json").read_text())
PUBLISHED = [
    ("resnet50_cifar", "resnet50_cifar10", "density_0.1", 10, (3, 32, 32)),
    ("vgg19", "vgg19_cifar10", "density_0.1", 10, (3, 32, 32)),
    ("resnet50", "resnet50_imagenet", "density_0.2", 1000, (3, 224, 224)),
]
SMALL = ["convnet", "mlp", "resnet20", "wrn_22_2"]


def count(model, shape):
    return sum(weight.numel() for _, weight in maskable(model, shape))


@pytest.mark.parametrize(("name", "task", "density", "classes", "shape"), PUBLISHED)
def test_layers_of_the_published_networks_have_the_published_names_shapes_and_order(
    name, task, density, classes, shape
):
    expected = GOLDEN[task][density]
    layers = maskable(build(name, classes, shape, 0), shape)
    assert [(layer, list(weight.shape)) for layer, weight in layers] == [
        (layer["name"], layer["shape"]) for layer in expected["layers"]
    ]
    assert sum(weight.numel() for _, weight in layers) == expected["maskable_params"]


@pytest.mark.parametrize(("name", "task", "density", "classes", "shape"), PUBLISHED)
def test_published_networks_cost_the_published_multiply_accumulates(name, task, density, classes, shape):
    model = build(name, classes, shape, 0).to("meta").eval()
    with FlopCounterMode(display=False) as counter:
        assert model(torch.empty(1, *shape, device="meta")).shape == (1, classes)
    assert counter.get_total_flops() == 2 * GOLDEN[task][density]["dense_macs"]


@pytest.mark.parametrize(
    ("name", "shape", "layers", "weights"),
    [
        ("convnet", (1, 8, 8), 4, 93_728),
        ("convnet", (1, 28, 28), 4, 93_728),
        ("convnet", (3, 32, 32), 4, 94_304),
        ("mlp", (1, 28, 28), 3, 266_200),
        ("resnet20", (3, 32, 32), 20, 268_336),
        ("wrn_22_2", (3, 32, 32), 23, 1_076_912),
    ],
)
def test_small_networks_keep_their_sizes(name, shape, layers, weights):
    model = build(name, 10, shape, 0)
    assert (len(maskable(model, shape)), count(model, shape)) == (layers, weights)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("name", SMALL)
def test_small_networks_take_one_or_three_channels_and_train(name, shape):
    model = build(name, 7, shape, 0)
    logits = model(torch.randn(4, *shape))
    assert logits.shape == (4, 7)
    logits.sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for _, weight in maskable(model, shape))


@pytest.mark.parametrize("name", ["vgg19", "resnet50", "resnet50_cifar"])
def test_large_networks_take_one_channel_too(name):
    model = build(name, 10, (1, 32, 32), 0).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 1, 32, 32)).shape == (1, 10)


def test_every_model_has_a_yaml_and_every_yaml_a_model():
    found = {path.stem: yaml.safe_load(path.read_text()) for path in (TREE / "model").glob("*.yaml")}
    names = {stem: settings.get("model", settings)["name"] for stem, settings in found.items()}
    built_in = [name for name, build in MODELS.items() if build.__module__.startswith("harness.")]
    assert names == {name: name for name in built_in}


@pytest.mark.parametrize("name", SMALL)
def test_initial_weights_depend_on_the_seed_alone_and_leave_the_global_generator_as_it_was(name):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = build(name, 10, (3, 32, 32), 5).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again = build(name, 10, (3, 32, 32), 5).state_dict()
    other = build(name, 10, (3, 32, 32), 6).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_convolutions_start_with_he_s_deviation():
    weight = build("resnet50_cifar", 10, (3, 32, 32), 0).layer4[0].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)


def test_a_weight_that_two_layers_share_comes_once_and_what_multiplies_nothing_does_not():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(2), nn.Linear(36, 2), first, second)
    assert [name for name, _ in maskable(model, (1, 8, 8))] == ["0.weight", "3.weight", "4.weight"]


@pytest.mark.parametrize("dense", [["0.weight", "3.weight"], ["[03]*"], ["0.*", "3.w?ight"]])
def test_named_layers_stay_dense(dense):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(2), nn.Linear(36, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    assert [name for name, _ in maskable(model, (1, 8, 8), dense)] == ["2.weight", "4.weight"]


def test_a_dense_layer_that_is_not_there_is_refused_with_the_names_that_are():
    with pytest.raises(UsageError, match=r"unknown layer 'stem.weight'.*classifier.weight") as caught:
        maskable(build("convnet", 10, (1, 8, 8), 0), (1, 8, 8), ["stem.weight"])
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        maskable(build("mlp", 10, (1, 28, 28), 0), (1, 28, 28), ["fc3"])
    assert str(caught.value) == (
        "unknown layer 'fc3': allowed are 1.weight, 3.weight, 5.weight "
        "(1.weight 300x784, 3.weight 100x300, 5.weight 10x100)"
    )


def test_a_model_needs_a_layer_to_mask():
    with pytest.raises(UsageError, match="all maskable weights of ConvNet; leave one to mask"):
        maskable(build("convnet", 10, (1, 8, 8), 0), (1, 8, 8), ["*"])


@pytest.mark.parametrize("name", SMALL)
def test_a_model_without_values_has_the_same_layers(name):
    without, with_values = (maskable(build(name, 10, (3, 32, 32), 0, on), (3, 32, 32)) for on in ("meta", "cpu"))
    assert all(weight.is_meta for _, weight in without)
    assert [(layer, weight.shape) for layer, weight in without] == [(layer, w.shape) for layer, w in with_values]


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"unknown model 'resnet2'.*did you mean 'resnet20'"):
        build("resnet2", 10, (3, 32, 32), 0)


def test_vgg_refuses_images_that_its_poolings_would_leave_without_pixels():
    with pytest.raises(UsageError, match="'vgg19' needs images of at least 16x16, not 8x8"):
        build("vgg19", 10, (1, 8, 8), 0)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_keeps_its_layers_and_outputs_at_every_width_and_its_weights_at_width_1(name):
    inputs = inputs_of(name)
    classes, shape = inputs.tokens or 7, inputs.shape
    full = build(name, classes, shape, 3, "meta")
    for width in (0.5, 0.1, 2.0):
        model = build(name, classes, shape, 3, "meta", width=width)
        assert [layer for layer, _ in maskable(model, inputs)] == [layer for layer, _ in maskable(full, inputs)]
        ratio = count(model, inputs) / count(full, inputs)
        assert 0.8 * min(width, width**2) < ratio < 1.1 * max(width, width**2)
    assert build(name, classes, shape, 3, "meta", width=1e-4)(inputs.zeros(2).to("meta")).shape[-1] == classes


@pytest.mark.parametrize("name", SMALL)
def test_width_1_is_the_published_network_to_the_bit(name):
    first, second = (build(name, 10, (3, 32, 32), 5, **more).state_dict() for more in ({}, {"width": 1.0}))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["resnet50", "vgg19"])
def test_a_narrow_network_starts_with_he_s_deviation_too(name):
    model = build(name, 10, (3, 32, 32), 0, width=0.5)
    for layer, weight in maskable(model, (3, 32, 32)):
        if weight.dim() == 4 and weight.numel() > 10_000:
            spread = (2 / (weight.shape[0] * weight[0, 0].numel())) ** 0.5
            assert weight.std().item() == pytest.approx(spread, rel=0.05), layer


def test_a_model_that_does_not_say_how_it_scales_has_one_width(monkeypatch):
    monkeypatch.setitem(MODELS, "stiff", lambda classes, shape: nn.Flatten())
    assert isinstance(build("stiff", 10, (1, 8, 8), 0), nn.Flatten)
    with pytest.raises(UsageError, match="model 'stiff' does not say how it scales"):
        build("stiff", 10, (1, 8, 8), 0, width=0.5)
