"""A run made ready: what is refused before it is trained, what is noted, and that nothing is worked out twice."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from runs import small
from torch import nn

from harness.budget.costs import Costs
from harness.errors import UsageError
from harness.tasks import models
from harness.training import architecture as preparing
from harness.training.architecture import measured
from harness.training.prepare import prepare, sized

MASKABLE = 93_728  # of the small convolutional net


@pytest.fixture
def counted(monkeypatch):
    """Count the models that are built and measured."""
    counts = {"build": 0, "measure": 0}

    def counting(name, function):
        def call(*args, **kwargs):
            counts[name] += 1
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(preparing, "_measured", {})
    # As in a process that has measured nothing without values yet.
    monkeypatch.setattr(preparing, "sys", SimpleNamespace(modules={}))
    monkeypatch.setattr(models, "build", counting("build", models.build))
    monkeypatch.setattr(preparing, "measure", counting("measure", preparing.measure))
    return counts


def test_an_architecture_is_measured_once_for_all_runs_that_are_sized(counted):
    for method in ("rigl", "gmp"):
        for seed in range(3):
            one = sized(small(method, seed=seed))
    assert counted == {"build": 2, "measure": 1}  # small: built without values, then with them
    assert one.costs is measured(small("set"))
    sized(small("rigl", dataset={"shape": [1, 16, 16]}))
    assert counted == {"build": 4, "measure": 2}


def test_a_run_that_is_prepared_builds_its_model_once_and_is_sized_as_planned(counted):
    task = prepare(small("rigl", seed=4))
    assert counted == {"build": 1, "measure": 1}
    plan = sized(small("rigl", seed=4))
    assert (task.costs, task.budget, task.train_samples) == (plan.costs, plan.budget, plan.train_samples)


def test_costs_that_another_process_says_are_not_measured_again(counted):
    run = small("rigl")
    costs = measured(run)
    said = Costs.from_dict(json.loads(json.dumps(asdict(costs))))
    assert said == costs
    preparing._measured.clear()
    counted.update(measure=0)
    assert prepare(run, said).costs == costs
    assert counted["measure"] == 0


@pytest.mark.parametrize("method", ["static", "gmp", "lr_rewind"])
@pytest.mark.parametrize(
    ("sparsity", "refused"), [(0.99999, True), (1 - 0.9 / MASKABLE, True), (1 - 1 / MASKABLE, False)]
)
def test_a_sparsity_that_leaves_no_weight_is_refused_with_the_highest_that_leaves_one(method, sparsity, refused):
    run = small(method, sparsity=sparsity)
    if not refused:
        assert sized(run)
        return
    with pytest.raises(UsageError, match=r"leaves none of the 93,728 weights of convnet; .* is 0\.999989331$"):
        sized(run)


def test_layers_that_a_distribution_leaves_without_a_weight_are_noted():
    (note,) = sized(small("static", sparsity=0.9999, distribution="er")).notes
    assert note.startswith("sparsity 0.9999 leaves no weight in ")
    assert sized(small("static")).notes == ()


class Normalised(nn.Module):
    """Normalises single values, of which a batch of one image has no statistics."""

    def __init__(self, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))

    def forward(self, images):
        return self.layers(images)


@pytest.fixture
def normalised(monkeypatch):
    """Register a model that cannot train on one image."""
    monkeypatch.setitem(models.MODELS, "normalised", lambda classes, shape: Normalised(classes))


@pytest.mark.usefixtures("normalised")
@pytest.mark.parametrize(
    ("budget", "batch_size", "refused"),
    [("epochs:1", 71, False), ("epochs:1", 1, True), ("steps:1", 1, True), ("epochs:1", 70, False)],
)
def test_a_last_batch_of_one_image_is_refused_where_the_model_cannot_train_on_it(budget, batch_size, refused):
    run = small("static", budget, recipe={"batch_size": batch_size})
    assert sized(run)  # convolutional maps have more than one value a channel
    run.model.name = "normalised"
    if not refused:
        assert sized(run)
        return
    found = f"recipe.batch_size {batch_size}: the last batch of each epoch holds 1 of 72 images, and normalised cannot"
    with pytest.raises(UsageError, match=found):
        sized(run)


def test_costs_are_the_same_with_and_without_values(monkeypatch):
    for name in ("convnet", "resnet20"):
        run = small("static")
        run.model.name = name
        found = []
        for modules in ({}, {"torch._dynamo": None}):
            monkeypatch.setattr(preparing, "_measured", {})
            monkeypatch.setattr(preparing, "sys", SimpleNamespace(modules=modules))
            found.append(measured(run))
        assert found[0] == found[1]


def test_the_budget_of_a_narrow_net_is_that_of_the_net_it_refers_to():
    full, narrow = small("small_dense", "flops:1"), small("small_dense", "flops:1")
    narrow.model.width, narrow.reference = 0.5, {"maskable": MASKABLE}
    one, other = sized(full), sized(narrow)
    assert one.reference is one.costs
    assert other.reference == one.costs != other.costs
    assert other.budget == one.budget
    narrow.budget_share = 0.5
    assert sized(narrow).budget.amount == one.budget.amount / 2
    assert sized(narrow).budget.reference_flops == one.budget.reference_flops
