"""What the ledger charges beside three passes at the active weights: probes, other gradients; and what is compared."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from records import make
from runs import BATCH, EPOCHS, PER_EPOCH, TRAIN, record, small, train

from harness.audit import counts, recount
from harness.budget import probe as probes
from harness.budget.costs import Costs, LayerCost
from harness.budget.kinds import Usage
from harness.errors import UsageError
from harness.plan.forecast import forecast
from harness.training.prepare import prepare
from methods import Event, Method, Probe, registry

COSTS = Costs((LayerCost("one", (10, 10), 100, 3), LayerCost("two", (5, 10), 50, 1)), fixed=7, classes=10)
DENSE = 3 * (2 * (300 + 50) + 7)


@dataclass
class Wider(Method):
    """Static masks whose gradient is computed for twice the active weights, in every iteration but from the start."""

    interval: int = 7

    def event(self, moment):
        return Event()

    def gradient_counts(self, shapes, active, target):
        return [min(2 * kept, size) for kept, size in zip(active, self._sizes(shapes), strict=True)]

    def _sizes(self, shapes):
        return self.layer_counts(shapes, 1.0)


@dataclass
class Trimming(Wider):
    """The same; prunes after its last step."""

    def initial_density(self, target):
        return 2 * target

    def finish(self, masks, target):
        masks.prune_layers(self.layer_counts(masks.shapes, target))


@dataclass
class Probing(Method):
    """Static masks after a look at two batches."""

    asked: ClassVar[Probe] = Probe(batches=2, hessian=True)

    def probe(self, target):
        return self.asked


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Register the toy methods for one test."""
    monkeypatch.setitem(registry.METHODS, "wider", Wider(name="wider"))
    monkeypatch.setitem(registry.METHODS, "trimming", Trimming(name="trimming"))
    monkeypatch.setitem(registry.METHODS, "probing", Probing(name="probing"))


def test_an_image_costs_two_passes_at_the_active_weights_and_one_at_those_whose_gradient_is_computed():
    forward, wider, dense = 2 * (30 + 5) + 7, 2 * (60 + 50) + 7, 2 * (300 + 50) + 7
    assert COSTS.training([10, 5]) == 3 * forward
    assert COSTS.training([10, 5], gradient=[20, 50]) == 2 * forward + wider
    assert COSTS.training([10, 5], gradient=[20, 50], dense_gradient=True) == 2 * forward + dense
    assert COSTS.training([10, 5], gradient=[100, 50]) == COSTS.training([10, 5], dense_gradient=True)


@pytest.mark.parametrize(
    ("asked", "images", "passes"),
    [
        (Probe(batches=1), 16, 16),
        (Probe(batches=1, hessian=True), 16, 3 * 16),
        (Probe(batches=2, hessian=True), 32, 4 * 32),
        (Probe(batches=5), 72, 72),  # the last batch of the epoch holds 8 images
        (Probe(batches=6), 88, 88),
        (Probe(per_class=1, temperature=200.0, hessian=True), 10, 30),
        (Probe(per_class=10, temperature=200.0, hessian=True), 100, 400),
        (Probe(flows=100), 0, 100),
        (Probe(batches=1, flows=3), 16, 19),
    ],
)
def test_a_probe_costs_a_dense_training_image_each_and_three_or_four_with_the_hessian(asked, images, passes):
    assert probes.usage(asked, COSTS, train_samples=72, batch_size=16) == Usage(0, images, passes * DENSE)
    assert probes.usage(None, COSTS, train_samples=72, batch_size=16) == Usage()


def foretold(run):
    task = prepare(run)
    weights = [weight for _, weight in task.layers]
    sizes = {"train_samples": task.train_samples, "batch_size": run.recipe.batch_size}
    return forecast(run.method, run.sparsity, task.budget, task.costs, weights, **sizes)


@pytest.mark.parametrize("budget", ["steps:33", f"steps:{3 * PER_EPOCH}x1.5", "epochs:5", "flops:0.4"])
@pytest.mark.parametrize("name", ["wider", "probing"])
def test_the_plan_foretells_what_such_a_run_spends(name, budget):
    run = small(name, budget)
    expected, made = foretold(run), train(run)
    assert (expected.train_flops, expected.active) == (made.course.ledger.flops, made.masks.active)


@pytest.mark.parametrize("budget", ["steps:33", "flops:0.4"])
@pytest.mark.parametrize("name", ["wider", "probing"])
def test_anyone_can_recount_such_a_run_from_its_record(name, budget, tmp_path):
    made = record(small(name, budget), tmp_path)
    assert made["status"] == "done", made["reason"]
    assert counts.refusals(made) == []
    if name == "probing":
        assert made["cost"]["probe"]["samples"] == 2 * BATCH
        assert made["cost"]["samples"] - made["cost"]["probe"]["samples"] == recount.samples(
            made, made["cost"]["steps"]
        )
    else:
        assert "probe" not in made["cost"]
        sizes = [layer["weights"] for layer in made["config"]["layers"]]
        for entry in made["topology"]:
            assert entry["gradient"] == [min(2 * kept, n) for kept, n in zip(entry["active"], sizes, strict=True)]


def test_the_last_masks_are_noted_with_gradients_of_their_own(tmp_path):
    made = record(small("trimming", "steps:33"), tmp_path)
    assert made["status"] == "done", made["reason"]
    last, weights = made["topology"][-1], [layer["weights"] for layer in made["config"]["layers"]]
    assert last["step"] == made["cost"]["steps"]
    assert last["gradient"] == [min(2 * kept, size) for kept, size in zip(last["active"], weights, strict=True)]
    assert counts.refusals(made) == []


def test_a_probe_is_no_step_but_spends_flops():
    under_steps, under_flops = (train(small("probing", budget)) for budget in ("steps:33", "flops:0.4"))
    assert under_steps.course.ledger.steps == 33
    spent = under_flops.course.ledger.flops
    task = prepare(small("probing", "flops:0.4"))
    assert 0 <= spent - task.budget.amount < task.costs.training([layer.weights for layer in task.costs.layers]) * BATCH
    alone = train(small("static", "flops:0.4")).course.ledger.steps
    assert under_flops.course.ledger.steps < alone


def test_the_time_of_a_probe_is_spent_of_a_budget_of_seconds():
    made = train(small("probing", "seconds:0.5"))
    seconds = made.watch.seconds
    assert seconds["topology"] > 0
    assert made.course.clock.spent == pytest.approx(seconds["train"] + seconds["topology"], abs=0.1)
    assert made.course.ledger.samples > made.course.probe.samples == 2 * BATCH


def test_a_probe_is_booked_once_however_often_a_run_is_resumed():
    run = small("probing", "flops:0.4")
    course, later = prepare(run).course(run), prepare(run).course(run)
    active = [1] * len(prepare(run).costs.layers)
    course.take(course.next(active))
    later.load_state_dict(course.state_dict())
    assert (later.ledger, later.clock.spent) == (course.ledger, course.clock.spent)
    assert later.ledger.samples == 3 * BATCH


def test_a_budget_that_its_probe_uses_up_is_refused_with_both_amounts():
    run = small("probing", f"flops:{6 * BATCH / (EPOCHS * TRAIN):.6f}")
    with pytest.raises(UsageError, match=r"is too small: probing spends .* before the first step"):
        foretold(run)


LIES = {
    "a probe that is not charged": (lambda r: r["cost"].pop("probe"), "probe: None but the config gives {'samples':"),
    "a smaller probe": (lambda r: r["cost"]["probe"].update(flops=1), "probe: {'samples': 32, 'flops': 1} but"),
    "a probe that is left out of the total": (
        lambda r: r["cost"].update(train_flops=r["cost"]["train_flops"] - r["cost"]["probe"]["flops"]),
        "train_flops: ",
    ),
    "a probe without its images": (lambda r: r["cost"].update(samples=33 * 16), "samples: 528 but"),
    "a probe that the method does not declare": (lambda r: r["config"]["probe"].update(batches=1), "probe: "),
}  # fmt: skip


@pytest.mark.parametrize("kind", LIES)
def test_a_lie_about_a_probe_is_refused(kind, tmp_path):
    made = record(small("probing", "steps:33"), tmp_path)
    tell, reason = LIES[kind]
    tell(made)
    assert any(line.startswith(reason) for line in counts.refusals(made)), counts.refusals(made)


@pytest.mark.parametrize(("name", "value"), [("batches", -1), ("batches", 1.5), ("per_class", True), ("flows", "3")])
def test_a_probe_that_cannot_be_is_refused(name, value, tmp_path):
    made = make("static", 0.9, 0)
    made["config"]["probe"] = {"batches": 1, name: value}
    with pytest.raises(UsageError, match=f"probe.{name}: {value!r} is not a number"):
        recount.recount(made)


def _of_one_layer(record):
    record["topology"][0]["gradient"] = [1]


def _less_than_active(record):
    record["topology"][0]["gradient"] = [count - 1 for count in record["topology"][0]["active"]]


def _more_than_there_are(record):
    record["topology"][0]["gradient"] = [layer["weights"] + 1 for layer in record["config"]["layers"]]


@pytest.mark.parametrize("lie", [_of_one_layer, _less_than_active, _more_than_there_are])
def test_gradients_that_cannot_be_are_refused(lie):
    made = make("static", 0.9, 0)
    lie(made)
    (reason,) = counts.refusals(made)
    assert reason.startswith("topology: gradients of ")
    assert reason.endswith(", at step 0")


def test_gradients_that_were_computed_are_charged():
    made = make("static", 0.9, 0)
    made["topology"][0]["gradient"] = [layer["weights"] for layer in made["config"]["layers"]]
    assert any(line.startswith("train_flops: ") for line in counts.refusals(made))


def narrow():
    """Return a record of a narrower model that a full one of four times its weights is compared with."""
    made = make("dense", 0.0, 0)
    truth = recount.recount(made)
    full = {"maskable": 4 * truth.maskable, "forward_flops": 4 * truth.dense_forward_flops}
    full["training_flops"] = 12 * truth.dense_forward_flops
    made["config"] |= {"reference": full, "reaches": True, "sparsity": 0.75}
    made["config"]["method"]["name"] = "from_elsewhere"
    made["sparsity"] = 0.75
    made["metrics"]["sparsity"] = 0.75
    cost = made["cost"]
    cost["dense_forward_flops"] *= 4
    cost["inference_flops_ratio"] /= 4
    cost["train_flops_ratio"] /= 4
    return made


def test_a_narrower_model_is_compared_with_the_full_one():
    assert counts.refusals(narrow()) == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("maskable", 8 * 6032, "sparsity: 0.75 but"),
        ("forward_flops", 1, "dense_forward_flops: "),
        ("training_flops", 1, "train_flops_ratio: "),
    ],
)
def test_a_lie_about_the_full_model_is_refused(name, value, reason):
    made = narrow()
    made["config"]["reference"][name] = value
    assert any(line.startswith(reason) for line in counts.refusals(made)), counts.refusals(made)


def test_a_full_model_smaller_than_its_narrower_one_is_refused():
    made = narrow()
    made["config"]["reference"]["maskable"] = 6031
    with pytest.raises(UsageError, match=r"reference.maskable: 6031, fewer weights than the model has"):
        counts.refusals(made)


def test_a_share_of_the_budget_is_a_shorter_run_of_the_same_table():
    made = make("dense", 0.0, 0, budget=("steps", 40, 1))
    made["config"] |= {"budget_share": 0.25}
    made["config"]["method"]["name"] = "from_elsewhere"
    made["config"]["budget"]["amount"] = made["budget"]["amount"] = 160
    made["cost"]["train_flops_ratio"] = recount.samples(made, 40) / recount.samples(made, 160)
    assert counts.refusals(made) == []
    for share in (0, 1.5, -1, "x", True):
        made["config"]["budget_share"] = share
        with pytest.raises(UsageError, match=r"budget_share: .* is not in \(0, 1\]"):
            counts.refusals(made)


def test_the_reference_of_a_model():
    assert COSTS.as_reference() == {"maskable": 150, "forward_flops": 707, "training_flops": 3 * 707}
