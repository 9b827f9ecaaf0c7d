"""Settings of a recipe beyond its rates: Adam, positions in epochs or steps, and what belongs to another choice."""

import copy

import pytest
import torch
from runs import go_on, record, small, trainer
from test_config import own_recipe, refusal
from torch.nn import functional as F

from harness import config
from harness.audit import plausible
from harness.config import recipes
from harness.places import ROOT
from harness.records import identity
from harness.tasks.losses import LOSSES

ADAM = {"optimizer": "adam", "lr": 0.01, "weight_decay": 0.1, "betas": [0.8, 0.9], "eps": 1e-6}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["recipe.optimizer=rmsprop"], "unknown recipe.optimizer 'rmsprop': allowed are adam, adamw, sgd"),
        (["recipe.betas=[0.9,0.99]"], "recipe.betas [0.9, 0.99] is a setting of adam and adamw, not of recipe.opti"),
        (["recipe.eps=1e-6"], "is a setting of adam and adamw, not of recipe.optimizer=sgd"),
        (["recipe.optimizer=adam", "recipe.betas=[0.9]"], "recipe.betas [0.9] are not two numbers in [0, 1)"),
        (["recipe.optimizer=adam", "recipe.betas=[0.9,1]"], "are not two numbers in [0, 1)"),
        (["recipe.optimizer=adam", "recipe.eps=0"], "recipe.eps 0.0 is not a positive number"),
        (["recipe.lr_shape=polynomial"], "allowed are constant, cosine, exponential, linear, step"),
        (
            ["recipe.lr_shape=step", "recipe.lr_end=0.01"],
            "recipe.lr_end 0.01 is a setting of the shapes cosine, lin",
        ),
        (["recipe.lr_shape=constant", "recipe.lr_until=0.5"], "not of recipe.lr_shape=constant"),
        (["recipe.lr_end=1"], "recipe.lr_end 1 is over recipe.lr 0.1"),
        (["recipe.lr_shape=exponential"], "needs an end above 0"),
        (["recipe.lr_until=0"], "recipe.lr_until 0.0 is not in (0.05, 1]"),
        (["recipe.lr_until=30 epochs", "budget=epochs:20"], "recipe.lr_until: 30 epochs is after the end of the run"),
        (["recipe.lr_until=half"], "is not a number"),
    ],
)
def test_what_a_recipe_cannot_have_is_refused_in_a_line(given, said):
    assert said in refusal(*given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["recipe.optimizer=adam", "recipe.momentum=0.5"], "recipe.momentum 0.5 is a setting of recipe.optimizer=sgd"),
        (["recipe.optimizer=adamw", "recipe.nesterov=true"], "not of recipe.optimizer=adamw: leave it out"),
        (["recipe.gamma=0.3"], "recipe.gamma 0.3 is a setting of recipe.lr_shape=step, not of recipe.lr_shape=cosine"),
        (["recipe.lr_shape=linear", "recipe.milestones=[0.5]"], "not of recipe.lr_shape=linear: leave it out"),
        (["recipe.lr_shape=polynomial", "recipe.gamma=0.3"], "unknown recipe.lr_shape 'polynomial'"),
    ],
)
def test_settings_of_sgd_and_of_steps_are_refused_of_others(given, said):
    assert said in refusal(*given)


def test_a_recipe_s_file_is_refused_what_its_own_choices_do_not_have(tmp_path, monkeypatch):
    own(tmp_path, monkeypatch, "lr_shape: cosine\nmilestones: [0.5]\n")
    assert "recipe mine: recipe.milestones [0.5] is a setting of recipe.lr_shape=step" in refusal("recipe=mine")
    assert config.resolve(["recipe=digits", "recipe.optimizer=adam"]).recipe.nesterov  # what the file has stays


def test_settings_at_their_defaults_leave_the_key_alone_and_others_are_in_it():
    usual = ["recipe.optimizer=adam", "recipe.betas=[0.9,0.999]", "recipe.eps=1e-8", "recipe.lr_until=1"]
    plain = config.to_dict(config.resolve(usual))
    assert not {"betas", "eps", "lr_end", "lr_until"} & set(plain["recipe"])
    assert plain["recipe"]["milestones"] == []
    other = config.to_dict(config.resolve([*usual, "recipe.betas=[0.5,0.999]", "recipe.lr_end=0.001"]))
    assert (other["recipe"]["betas"], other["recipe"]["lr_end"]) == ([0.5, 0.999], 0.001)
    assert config.from_dict(other).recipe.betas == [0.5, 0.999]


def test_the_end_of_a_rate_may_be_written_in_epochs():
    long = ["recipe.lr_shape=linear", "recipe.lr_end=0.001", "budget=epochs:20"]
    runs = [config.resolve([*long, f"recipe.lr_until={until}"]) for until in ("18 epochs", "0.9")]
    first, second = (identity.settings(config.to_dict(run)) for run in runs)
    assert first == second


def own(tmp_path, monkeypatch, lines):
    """Write the recipe ``mine``: that of digits, with other lines."""
    own_recipe(tmp_path, monkeypatch, "{}")
    file = tmp_path / "benchmarks/recipe/mine.yaml"
    file.write_text(file.read_text().replace("lr_shape: cosine\n", lines))


def test_a_recipe_s_file_may_have_milestones_in_steps_or_epochs(tmp_path, monkeypatch):
    own(tmp_path, monkeypatch, "lr_shape: step\nmilestones: [1300 steps, 15 epochs, 1]\n")
    given = ["recipe=mine", "recipe.batch_size=10"]  # of digits: 130 steps an epoch
    run = config.resolve([*given, "budget=epochs:20"])
    assert run.recipe.milestones == [0.5, 0.75, 1.0]
    assert all(type(each) is float for each in run.recipe.milestones)
    assert config.resolve([*given, "budget=epochs:40"]).recipe.milestones == [0.25, 0.375, 1.0]
    assert config.resolve([*given, "recipe.milestones=[0.1]"]).recipe.milestones == [0.1]
    assert config.resolve([*given, "recipe.milestones=[]"]).recipe.milestones == []
    assert "15 epochs is after the end of the run" in refusal(*given, "budget=epochs:12")
    assert "a budget of flops does not say how long the run is" in refusal(*given, "budget=flops:1")
    assert "the rounds of lth_rewind share the budget" in refusal(*given, "budget=epochs:20", "method=lth_rewind")
    assert config.resolve([*given, "budget=epochs:20", "method=lth_rewind", "budget.rounds=each"])


@pytest.mark.parametrize("wrong", ["[soon]", "soon", "[3 weeks]"])
def test_a_milestone_that_is_neither_number_nor_length_is_refused(tmp_path, monkeypatch, wrong):
    own(tmp_path, monkeypatch, f"lr_shape: step\nmilestones: {wrong}\n")
    assert "recipe.milestones" in refusal("recipe=mine")


def test_a_recipe_in_units_is_unchanged_whatever_share_its_milestones_were(monkeypatch):
    known = recipes.declared() | {
        "mine": config.RecipeConfig("mine", 10, 100, lr=0.1, lr_shape="step", milestones=["5 epochs"])
    }
    monkeypatch.setattr(recipes, "declared", lambda: known)
    values = {"name": "mine", "epochs": 10, "batch_size": 100, "lr": 0.1, "lr_shape": "step", "milestones": [0.25]}
    assert recipes.unchanged(values)
    assert not recipes.unchanged(values | {"lr": 0.2})


def test_adam_is_torch_s_with_l2_on_the_weights_under_masks():
    run = small("static", "steps:5", recipe={**ADAM, "lr_shape": "constant", "warmup_epochs": 0})
    run.model.name = "mlp"
    made = trainer(run)
    model, masks = copy.deepcopy(made.model).train(), dict(made.masks.tensors())
    reference = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1)
    for images, labels in made._splits.train.epoch(0):
        reference.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        for name, parameter in model.named_parameters():
            parameter.grad.mul_(masks.get(name, torch.tensor(1.0)))
        reference.step()
    go_on(made)
    for (name, found), wanted in zip(made.model.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, msg=name)
    assert made.masks.outside() == 0


@pytest.mark.parametrize("method", ["rigl", "acdc", "top_kast", "snfs"])
def test_methods_keep_their_promises_under_adam(method, tmp_path):
    made = record(small(method, recipe=ADAM), tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)


def test_the_recipes_of_the_tree_have_no_setting_that_belongs_to_another_choice():
    names = sorted(path.stem for path in (ROOT / "benchmarks/recipe").glob("*.yaml"))
    for name in names:
        assert config.resolve(["dataset=mnist", f"recipe={name}", "recipe.augment=none"]).recipe.name == name


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_of_outputs_and_ones_are_sums_over_classes_and_means_over_samples(name):
    outputs, labels = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 3, 1, 1, 2, 0])
    ones = torch.eye(4)[labels]
    reference = {
        "squared_error": lambda: F.mse_loss(outputs, ones, reduction="sum") / 2,
        "sigmoid_squared_error": lambda: F.mse_loss(outputs.sigmoid(), ones, reduction="sum") / 2,
        "binary_cross_entropy": lambda: F.binary_cross_entropy(outputs.sigmoid(), ones, reduction="sum"),
    }
    torch.testing.assert_close(LOSSES[name](outputs, labels), reference[name]() / 6)


@pytest.mark.parametrize("method", ["set", "snip"])
def test_a_run_may_be_trained_by_squared_errors_and_is_scored_as_ever(method, tmp_path):
    losses = ("squared_error", "cross_entropy")
    for name in losses:
        (tmp_path / name).mkdir()
    made, usual = (record(small(method, recipe={"loss": name}), tmp_path / name) for name in losses)
    assert (made["status"], made["reason"]) == ("done", None)
    assert made["metrics"]["test_loss"] != usual["metrics"]["test_loss"]
    assert plausible.refusals(made) == []
    assert "reliability" not in made  # the softmax of outputs that were trained towards 0 and 1
    assert usual["reliability"]["bins"]
    assert identity.settings(made["config"]) != identity.settings(usual["config"])


def test_a_loss_of_classifications_is_refused_elsewhere_and_smooths_nothing():
    assert "unknown recipe.loss 'mse'" in refusal("recipe.loss=mse")
    smoothing = ("recipe.loss=squared_error", "recipe.label_smoothing=0.1")
    assert "recipe.label_smoothing smooths the cross entropy" in refusal(*smoothing)
    corrupted = refusal("recipe.loss=squared_error", "corruptions=true")
    assert corrupted.startswith("corruptions=true: recipe.loss=squared_error gives no probabilities")
    assert "the task language of stdlib_text has its own" in refusal("dataset=stdlib_text", "recipe.loss=squared_error")


def with_others(tmp_path, monkeypatch, lines):
    own(tmp_path, monkeypatch, f"lr_shape: cosine\n{lines}\n")


def test_a_recipe_may_set_data_and_model_and_the_command_line_has_the_last_word(tmp_path, monkeypatch):
    lines = "dataset: {validation: last, val_examples: 137, mean: [0.0], std: [1.0]}\nmodel: {init: xavier_normal}"
    with_others(tmp_path, monkeypatch, lines)
    given = ["recipe=mine", "model=mlp", "recipe.batch_size=10"]
    run = config.resolve([*given, "method=set", "method.interval=1 epoch"])
    data = run.dataset
    assert (data.validation, data.val_examples, data.mean, run.model.init) == ("last", 137, [0.0], "xavier_normal")
    assert run.method.interval == 130
    other = config.resolve([*given, "dataset.val_examples=100", "model.init=torch"])
    assert (other.dataset.validation, other.dataset.val_examples, other.model.init) == ("last", 100, "torch")
    plain = config.to_dict(run)
    assert not {"methods", "dataset", "model"} & set(plain["recipe"])
    assert config.to_dict(config.from_dict(plain)) == plain


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("dataset: {name: mnist}", "recipe mine: dataset.name is chosen for a run, not by its recipe"),
        ("model: {widht: 2}", "unknown setting 'model.widht'"),
        ("dataset: {task: language}", "dataset.task"),
        ("dataset: {val_examples: many}", "dataset.val_examples"),
    ],
)
def test_what_a_recipe_cannot_set_of_data_and_model_is_refused(tmp_path, monkeypatch, lines, said):
    with_others(tmp_path, monkeypatch, lines)
    assert said in refusal("recipe=mine", "model=mlp")


@pytest.mark.parametrize("name", ["recipe.dataset", "recipe.model", "recipe.model.init"])
def test_what_a_recipe_sets_of_other_groups_is_set_in_its_file_or_there(name):
    assert name in refusal(f"{name}=torch")
