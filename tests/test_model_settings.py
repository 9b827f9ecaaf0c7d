"""Settings of a model: widths, dropout, normalisation, initial weights by name and by the inputs that a mask leaves."""

import inspect
import math

import pytest
import torch
from runs import record, small, trainer
from torch import nn

import sparsebench as sb
from harness import config
from harness.budget.measure import measure
from harness.cli import apart, tables
from harness.config import check_model
from harness.errors import UnfitError, UsageError
from harness.tasks.models import MODELS, build
from harness.tasks.models.registry import takes
from harness.training.prepare import prepare

GREY = (1, 28, 28)


def layers(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


@pytest.mark.parametrize(("widths", "weights"), [([], 266_200), ([12], 12 * 794), ([1568] * 3, 6_162_240)])
def test_a_perceptron_has_the_hidden_layers_that_are_asked_for(widths, weights):
    options = {"widths": widths} if widths else {}
    costs = measure(build("mlp", 10, GREY, 0, "meta", **options), GREY)
    assert sum(layer.weights for layer in costs.layers) == weights
    assert len(costs.layers) == len(widths or [300, 100]) + 1


def test_named_widths_are_the_default_net_to_the_bit_and_scale_like_it():
    first, second = (build("mlp", 10, GREY, 3, **more).state_dict() for more in ({}, {"widths": [300, 100]}))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [layer.out_features for layer in layers(build("mlp", 10, GREY, 0, widths=[8, 6], width=0.5), nn.Linear)] == [
        4,
        3,
        10,
    ]


@pytest.mark.parametrize("name", ["mlp", "lenet_5", "lenet_5_caffe"])
def test_dropout_and_normalisation_stand_after_each_hidden_linear_layer(name):
    plain = build(name, 10, GREY, 0)
    hidden = len(layers(plain, nn.Linear)) - 1
    assert not layers(plain, nn.Dropout | nn.BatchNorm1d | nn.LayerNorm)
    batch = build(name, 10, GREY, 0, normalisation="batch", dropout=0.2)
    assert [each.num_features for each in layers(batch, nn.BatchNorm1d)] == [
        each.out_features for each in layers(batch, nn.Linear)[:-1]
    ]
    assert {each.p for each in layers(batch, nn.Dropout)} == {0.2}
    assert len(layers(build(name, 10, GREY, 0, normalisation="layer"), nn.LayerNorm)) == hidden
    images = torch.rand(8, *GREY)
    batch.train()
    assert not torch.equal(batch(images), batch(images))
    batch.eval()
    assert torch.equal(batch(images), batch(images))


SPREADS = {
    "kaiming_normal": lambda inputs, outputs: math.sqrt(2 / inputs),
    "kaiming_uniform": lambda inputs, outputs: math.sqrt(2 / inputs),
    "xavier_normal": lambda inputs, outputs: math.sqrt(2 / (inputs + outputs)),
    "xavier_uniform": lambda inputs, outputs: math.sqrt(2 / (inputs + outputs)),
    "normal:0.1": lambda inputs, outputs: 0.1,
    "torch": lambda inputs, outputs: math.sqrt(1 / (3 * inputs)),
}


@pytest.mark.parametrize("init", SPREADS)
@pytest.mark.parametrize("name", ["mlp", "lenet_5_caffe"])
def test_initial_weights_have_the_deviation_of_their_name(name, init):
    model = build(name, 10, GREY, 0, init=init)
    for layer in layers(model, nn.Linear | nn.Conv2d):
        area = layer.weight[0, 0].numel()
        wanted = SPREADS[init](layer.weight.shape[1] * area, layer.weight.shape[0] * area)
        if layer.weight.numel() > 20_000:
            assert layer.weight.std().item() == pytest.approx(wanted, rel=0.03)
        assert bool(layer.bias.any()) is (init == "torch")
    uniform = init.endswith("uniform") or init == "torch"
    largest = layers(model, nn.Linear)[0].weight
    assert (largest.abs().max() / largest.std() < 1.8) == uniform


def test_what_a_model_does_not_take_is_refused_with_what_it_takes():
    with pytest.raises(UnfitError) as refused:
        build("resnet20", 10, (3, 32, 32), 0, dropout=0.1)
    assert str(refused.value) == (
        "model 'resnet20' takes no model.dropout: it takes model.width; model.dropout is taken by "
        + ", ".join(sorted(name for name in MODELS if name in ("mlp", "lenet_5", "lenet_5_caffe")))
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("model.widths=[0]", "model.widths='[0]': allowed are 1 to 1,000,000 neurons"),
        ("model.widths=300", "write model.widths=[300]"),
        ("model.dropout=1", "model.dropout 1.0 is not in [0, 1)"),
        ("model.normalisation=group", "unknown model.normalisation 'group': allowed are batch, layer, none"),
        ("model.init=kaiming", "did you mean 'kaiming_normal'?"),
        ("model.init=normal:0", "unknown model.init 'normal:0'"),
        ("model.init_fan=neuron", "unknown model.init_fan 'neuron': allowed are layer, mask"),
    ],
)
def test_a_setting_that_no_model_has_is_refused(given, said):
    with pytest.raises(UsageError) as refused:
        config.resolve(["model=mlp", given])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_settings_are_written_where_they_are_not_the_default_and_survive():
    given = ["model=mlp", "model.widths=[40,20]", "model.dropout=0.2", "model.init=normal:0.1", "model.init_fan=mask"]
    run = config.resolve(["method=set", *given])
    plain = config.to_dict(run)
    assert plain["model"] == {
        "name": "mlp",
        "widths": [40, 20],
        "dropout": 0.2,
        "init": "normal:0.1",
        "init_fan": "mask",
    }
    assert config.from_dict(plain).model == run.model
    assert config.to_dict(config.resolve(["model=mlp", "model.init=default"]))["model"] == {"name": "mlp"}
    assert config.resolve(["method=dense", *given]).model.init_fan == "layer"  # it has no masks


def scaled_by_mask(name, method, **fields):
    """Return a trainer with initial weights scaled by the mask, and the weights without."""
    run = small(method, sparsity=0.8, dataset={"shape": list(GREY)}, **fields)
    run.model.name = name
    before = dict(prepare(run).layers)
    run.model.init_fan = "mask"
    return trainer(run), before


@pytest.mark.parametrize("name", ["mlp", "lenet_5"])
def test_weights_may_be_scaled_by_the_inputs_that_the_mask_leaves_each_neuron(name):
    made, before = scaled_by_mask(name, "static")
    now = dict(made.model.named_parameters())
    for layer, mask in made.masks.tensors():
        rows = mask.flatten(1)
        factor = torch.sqrt(rows.shape[1] / rows.sum(1).clamp(min=1).float())
        wanted = (before[layer] * mask).flatten(1) * factor[:, None]
        torch.testing.assert_close(now[layer].flatten(1), wanted)
    assert made.masks.outside() == 0


def test_a_mask_that_leaves_all_inputs_scales_nothing():
    made, before = scaled_by_mask("mlp", "gmp")
    now = dict(made.model.named_parameters())
    assert all(torch.equal(now[name], weight) for name, weight in before.items())


def test_a_method_with_forward_weights_of_its_own_takes_no_scaling_by_the_mask():
    with pytest.raises(UnfitError, match="method 'top_kast' trains others too"):
        config.resolve(["method=top_kast", "model.init_fan=mask"])


@pytest.mark.parametrize("given", ["gmp", "granet_s0", "lth", "one_shot"])
def test_a_method_that_starts_dense_takes_no_scaling_by_the_mask(given):
    with pytest.raises(UnfitError, match=f"method '{given}' starts dense: .* one of the methods .*set, .*static"):
        config.resolve([f"method={given}", "model.init_fan=mask"])
    assert config.resolve(["method=gmp", "method.init_density=0.5", "model.init_fan=mask"]).model.init_fan == "mask"


def test_a_mask_that_leaves_every_weight_takes_no_scaling():
    with pytest.raises(UnfitError, match="at sparsity 0 these leave every weight"):
        config.resolve(["method=static", "sparsity=0", "model.init_fan=mask"])


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ("model.init=normal:1e-3", "model.init=normal:0.001"),
        ("model.init=normal:.10", "model.init=normal:0.1"),
        ("model.init=normal:1.0", "model.init=normal:1"),
        ("model.init=normal:0.00001", "model.init=normal:1e-5"),
        ("model.widths=[300,100]", "model.widths=[]"),
    ],
)
def test_one_training_has_one_text(given, same):
    first, second = (config.to_dict(config.resolve(["model=mlp", "method=set", each])) for each in (given, same))
    assert first == second


def test_the_usual_widths_are_those_that_the_builder_takes():
    for name, usual in check_model._USUAL_WIDTHS.items():
        assert list(inspect.signature(MODELS[name]).parameters["widths"].default) == usual
    taking = {name for name, make in MODELS.items() if make.__module__.startswith("harness.") and takes(make, "widths")}
    assert taking == set(check_model._USUAL_WIDTHS)


def test_a_kept_network_is_built_with_the_settings_of_its_model(tmp_path):
    from test_kept_networks import trained

    given = ("model=mlp", "model.widths=[9,7]", "model.normalisation=batch", "method=static")
    made, _, path, _ = trained(tmp_path, *given, "budget=steps:4")
    assert made["status"] == "done", made["reason"]
    network = sb.load_network(path)
    assert network.about["options"] == {"widths": [9, 7], "normalisation": "batch"}
    assert [layer.out_features for layer in layers(network.model, nn.Linear)] == [9, 7, 10]


def test_a_small_dense_net_is_a_narrower_one_of_the_same_widths(tmp_path):
    from harness.plan.planned import plan

    run = small("small_dense", "steps:2", sparsity=0.9, evaluations=1)
    run.model.name, run.model.widths = "mlp", [64, 64]
    (planned,) = plan([run])
    assert 0 < planned.run.model.width < 1
    made = record(planned.run, tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert made["metrics"]["maskable"] <= 0.1 * (64 * 64 + 64 * 64 + 64 * 10)


def test_a_plan_tells_runs_apart_that_look_alike():
    given = [
        ["method=snip", "recipe.lr=0.5"],
        ["method=snip", "method.batches=10"],
        ["method=snip", "recipe=digits", "dataset.subset=700"],
        ["method=rigl"],
    ]
    runs = [config.resolve(["recipe=fashion_mnist", "dataset=digits", *each]) for each in given]
    looks = ["snip", "snip", "snip", "rigl"]
    common = "recipe=fashion_mnist, method.batches"
    assert apart.settings(runs, looks) == [
        f"{common}=1, recipe.lr=0.5",
        f"{common}=10, recipe.lr=0.1",
        "recipe=digits",
        "",
    ]
    again = apart.settings([runs[0], config.resolve(["recipe=fashion_mnist", *given[0], "dataset.subset=700"])], "aa")
    assert "dataset.subset=0" in again[0]
    assert "dataset.subset=700" in again[1]
    assert "train_examples" not in "".join(again)
    assert apart.settings([runs[0], runs[0]], "aa") == ["", ""]


def test_a_plan_says_what_is_the_models_own():
    run = config.resolve(["method=set", "model=mlp", "model.widths=[40,20]", "model.init_fan=mask"])
    assert tables.placed(run) == " [model.widths=[40, 20], model.init_fan=mask]"
    narrow = config.resolve(["method=small_dense", "model=mlp"])
    narrow.model.width, narrow.reference = 0.5, {"maskable": 1}
    assert tables.placed(narrow) == ""
