"""Dense nets for comparison: as narrow or as short as the ledger says, and dense to the bit where nothing is sparse."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import BATCH, PER_EPOCH, TRAIN, record, small, train, trainer

from harness import config
from harness.audit import counts
from harness.budget.epoch import budget_samples
from harness.errors import BuilderError, UnfitError, UsageError
from harness.plan import comparison, grid
from harness.plan.planned import plan, settled
from harness.plan.price import price
from harness.records import identity
from harness.tasks import models
from harness.training.architecture import measured
from harness.training.prepare import prepare, sized

MASKABLE = 93_728  # of the small convolutional net


def mlp(width, inputs=64, classes=10):
    """Weights of LeNet-300-100 at a width, from its definition."""
    first, second = max(round(300 * width), 1), max(round(100 * width), 1)
    return inputs * first + first * second + second * classes


def of_model(name, method="small_dense", *args, **more):
    run = small(method, *args, **more)
    run.model.name = name
    return run


def solve(method, *args, model="convnet", **more):
    return settled(of_model(model, method, *args, **more))


@settings(max_examples=12, deadline=None)
@given(st.floats(0, 0.99))
def test_the_width_is_the_largest_whose_weights_the_sparse_net_has(sparsity):
    run = solve("small_dense", model="mlp", sparsity=sparsity)
    limit = sum(run.method.sparse_counts(measured(of_model("mlp")).shapes, 1 - sparsity))
    assert abs(limit - (1 - sparsity) * mlp(1)) < 1.51  # one from the nearest whole number
    assert sum(layer.weights for layer in measured(run).layers) == mlp(run.model.width) <= limit
    assert run.model.width == max(step for step in range(1, 10_001) if mlp(step / 10_000) <= limit) / 10_000


@pytest.mark.parametrize("model", ["convnet", "mlp", "resnet20"])
@pytest.mark.parametrize("equal", ["weights", "flops"])
def test_a_small_net_has_no_more_of_what_is_equal_and_the_next_one_has(model, equal):
    run = solve("small_dense", model=model, sparsity=0.8, equal=equal)
    full = measured(of_model(model))
    sparse = run.method.sparse_counts(full.shapes, 0.2)

    def size(width):
        costs = measured(dataclasses.replace(run, model=config.ModelConfig(model, width)))
        return costs.dense if equal == "flops" else sum(layer.weights for layer in costs.layers)

    limit = full.forward(sparse) if equal == "flops" else sum(sparse)
    assert size(run.model.width) <= limit < size(run.model.width + 1e-4)
    assert 0.85 * limit < size(run.model.width)


@pytest.mark.parametrize("method", ["small_dense", "short_dense"])
def test_without_sparsity_it_trains_as_dense_does_to_the_bit(method):
    first = train(small("dense")).model.state_dict()
    run = solve(method, sparsity=0.0)
    assert (run.model.width, run.budget_share) == (1.0, 1.0)
    second = train(run).model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_record_of_a_small_net_refers_to_the_full_one(tmp_path):
    run = solve("small_dense", sparsity=0.9)
    full = measured(small("dense"))
    dense = [layer.weights for layer in full.layers]
    found = record(run, tmp_path)
    assert found["status"] == "done"
    assert found["config"]["model"] == {"name": "convnet", "width": run.model.width}
    assert found["config"]["reaches"] is True
    assert found["config"]["reference"] == {
        "maskable": MASKABLE,
        "forward_flops": full.dense,
        "training_flops": full.training(dense),
    }
    weights = sum(layer["weights"] for layer in found["config"]["layers"])
    assert 0.9 <= found["metrics"]["sparsity"] == 1 - weights / MASKABLE < 0.92
    narrow = measured(run)
    assert found["cost"]["inference_flops_ratio"] == narrow.dense / full.dense
    assert counts.refusals(found) == []
    images = 40 // 5 * 72  # whole epochs
    assert found["cost"]["train_flops"] == images * narrow.training([layer.weights for layer in narrow.layers])
    assert found["cost"]["train_flops_ratio"] == pytest.approx(found["cost"]["inference_flops_ratio"])
    forecast = price(run, "small net")
    assert forecast.train_flops == found["cost"]["train_flops"]
    assert forecast.inference_flops_ratio == found["cost"]["inference_flops_ratio"]
    assert forecast.train_flops_ratio == found["cost"]["train_flops_ratio"]


def test_a_budget_of_flops_is_that_of_the_full_net():
    run, dense = solve("small_dense", "flops:0.5"), small("dense", "flops:0.5")
    assert prepare(run).budget == prepare(dense).budget
    assert train(run).course.ledger.steps > 4 * train(dense).course.ledger.steps


@pytest.mark.parametrize("like", ["static", "rigl", "gmp_uniform"])
def test_a_short_net_trains_for_the_flops_of_a_sparse_run(like, tmp_path):
    run = solve("short_dense", "steps:400", like=like, sparsity=0.5)
    recipe_s = run.recipe.methods.get(like, {})
    sparse = price(small(like, "steps:400", sparsity=0.5, **recipe_s), f"like {like}").train_flops
    dense = price(small("dense", "steps:400"), "dense of 400").train_flops
    assert run.recipe == small("dense").recipe
    found = record(run, tmp_path)
    assert found["status"] == "done"
    assert found["cost"]["steps"] == round(400 * run.budget_share)
    step = dense / (400 / PER_EPOCH) * BATCH / TRAIN  # of the largest batch
    assert sparse - step < found["cost"]["train_flops"] <= sparse
    assert found["config"]["budget_share"] == run.budget_share
    assert found["budget"]["amount"] == 400
    assert counts.refusals(found) == []
    assert found["curve"][-1]["lr"] == pytest.approx(0, abs=1e-3)  # the schedule has shrunk with it


def test_the_recipe_s_settings_of_the_sparse_method_count():
    run = config.resolve(["dataset=fashion_mnist", "method=short_dense", "method.like=rigl", "recipe.threads=null"])
    other = config.resolve(["dataset=fashion_mnist", "method=rigl", "recipe.threads=null"])
    sparse, dense = price(other, "rigl, tuned"), price(dataclasses.replace(run, sparsity=0.0), "dense")
    assert settled(run).budget_share == pytest.approx(sparse.train_flops / dense.train_flops, rel=1e-2)


def test_a_share_that_is_an_estimate_is_said_to_be_one():
    for like, estimated in (("static", False), ("gmp", True)):
        (note,) = comparison.notes(solve("short_dense", like=like))
        assert ("(an estimate)" in note) == estimated
        assert f"as {like} is forecast to cost" in note
    assert comparison.notes(small("static")) == ()
    (note,) = comparison.notes(solve("small_dense"))
    assert f"of {MASKABLE:,} weights, which is sparsity 0.90" in note


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (small("short_dense", like="nothing"), "unknown method.like 'nothing'"),
        (small("short_dense", like="short_dense"), "unknown method.like 'short_dense'"),
        (small("short_dense", "flops:1"), "budget flops fixes none; use epochs or steps"),
        (small("short_dense", "seconds:1"), "budget seconds fixes none"),
        (small("small_dense", sparsity=0.9999), "leaves fewer weights than the narrowest convnet has, 37"),
        (of_model("stiff"), "model 'stiff' does not say how it scales"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(run, said, monkeypatch):
    monkeypatch.setitem(models.MODELS, "stiff", lambda classes, shape: models.build("convnet", classes, shape, 0))
    with pytest.raises(UsageError) as refused:
        settled(run)
    (line,) = str(refused.value).splitlines()
    assert said in line


def test_a_width_of_one_s_own_is_refused_where_it_is_solved_and_another_model_elsewhere():
    run = small("small_dense")
    run.model.width = 0.5
    with pytest.raises(UsageError, match=r"drop model\.width=0\.5"):
        settled(run)
    run = settled(dataclasses.replace(run, method=small("static").method))
    assert trainer(run).masks.maskable < MASKABLE / 3
    assert identity.row(config.to_dict(run)) != identity.row(config.to_dict(settled(small("static"))))


def test_a_builder_that_fails_is_named_with_the_line_and_one_that_takes_too_much_memory_is_not(monkeypatch):
    class Broken:
        def __init__(self, classes, shape):
            raise KeyError(classes) if classes else MemoryError

    monkeypatch.setitem(models.MODELS, "broken", Broken)
    run = of_model("broken", "static")
    with pytest.raises(BuilderError, match=r"'broken' cannot be built for 10 outputs and .*: line \d+: KeyError: 10"):
        measured(run)
    run.dataset.classes = 0
    with pytest.raises(MemoryError):
        measured(run)


def test_a_stranger_s_model_that_breaks_when_it_is_narrow_is_named(monkeypatch):
    def fragile(classes, shape, width=1.0):
        assert width > 0.9, "too few channels"
        return models.build("convnet", classes, shape, 0)

    monkeypatch.setitem(models.MODELS, "fragile", fragile)
    with pytest.raises(UnfitError, match=r"at width 0\.5.* model 'fragile' cannot be built.*: AssertionError: too"):
        settled(of_model("fragile"))


@pytest.mark.parametrize("method", ["small_dense", "short_dense"])
def test_a_run_is_solved_once_and_its_plain_form_holds_the_solution(method):
    run = solve(method)
    assert settled(run) == run
    plain = config.to_dict(run)
    again = config.from_dict(plain)
    assert config.to_dict(settled(again)) == plain
    keys = {one.key for one in plan([run, again, of_model("convnet", method)])}
    assert len(keys) == 1


def test_a_suite_of_all_methods_leaves_out_what_cannot_be_had_and_says_so_once():
    told = []
    runs = list(grid.runs("equal_flops", ["seed=[0,1]", "sparsity=[0.9,0.95]", "budget=[flops:0.5]"], told.append))
    assert "short_dense" not in {run.method.name for run in runs}
    lines = [line for line in told if "method=short_dense" in line]
    assert len(lines) == 2
    assert all("budget flops fixes none" in line for line in lines)
    with pytest.raises(UsageError, match="budget flops fixes none"):
        plan(grid.runs("equal_flops", ["seed=0", "sparsity=0.9", "budget=flops:0.5", "method=[static,short_dense]"]))


def test_a_model_that_cannot_scale_leaves_a_suite_of_all_its_other_methods(monkeypatch):
    monkeypatch.setitem(models.MODELS, "stiff", lambda classes, shape: models.build("convnet", classes, shape, 0))
    monkeypatch.setattr(config.names, "choices", lambda group, found=config.choices: [*found(group), "stiff"])
    told = []
    found = {run.method.name for run in grid.runs("smoke", ["seed=0", "model=stiff"], told.append)}
    assert "small_dense" not in found
    assert {"dense", "static", "short_dense"} <= found
    said = "left out method=small_dense sparsity=0.9: model 'stiff' does not say how it scales"
    assert any(said in line for line in told)


@settings(max_examples=10, deadline=None)
@given(st.integers(20, 3_000_000), st.floats(0.3, 3), st.floats(0.05, 0.98))
def test_a_share_leaves_the_most_steps_that_cost_no_more_than_the_sparse_run(steps, stretch, sparsity):
    run = solve("short_dense", f"steps:{steps}x{stretch}", sparsity=sparsity)
    sparse = price(small("static", f"steps:{steps}x{stretch}", sparsity=sparsity), f"{steps} {stretch} {sparsity}")
    budget, costs = sized(run).budget, measured(run)
    dense = costs.training([layer.weights for layer in costs.layers])
    taken = [dense * budget_samples(int(budget.amount) + more, TRAIN, BATCH) for more in (0, 1)]
    assert taken[0] <= sparse.train_flops < taken[1]


def test_a_sparse_run_that_costs_more_than_the_dense_one_leaves_the_whole_budget():
    assert solve("short_dense", like="snip", sparsity=0.001).budget_share == 1


def test_a_sparse_run_of_less_than_a_dense_step_is_refused_by_name():
    with pytest.raises(UnfitError, match="static takes fewer training FLOPs than one dense step"):
        solve("short_dense", "steps:2", sparsity=0.99)


def test_shares_have_few_digits():
    share = solve("short_dense", like="gmp").budget_share
    assert share == float(f"{share:.6g}")
    assert 0 < share < 1
    assert math.isfinite(share)
