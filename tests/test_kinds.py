"""Budget kinds: one class is all that a new one takes, and what each makes of an amount."""

from typing import ClassVar

import pytest
from runs import BATCH, EPOCHS, PER_EPOCH, TRAIN, record, small, train

from harness.audit import counts
from harness.budget import kinds
from harness.budget.kinds import KINDS, Kind, Reference, Usage
from harness.config import choices, resolve
from harness.errors import UsageError
from harness.plan.forecast import forecast
from harness.training.prepare import prepare


class Samples(Kind):
    """Training images."""

    name: ClassVar[str] = "samples"
    default: ClassVar[float | str] = 500
    largest: ClassVar[float] = 1e12
    unit: ClassVar[str] = "training images"

    def spends(self, usage: Usage) -> float:
        """Count images."""
        return usage.samples

    def size(self, amount: float, stretch: float, reference: Reference) -> float:
        """Return images."""
        return amount * stretch


@pytest.fixture
def samples(monkeypatch):
    """Register the kind `Samples` for one test."""
    monkeypatch.setitem(KINDS, "samples", Samples())


@pytest.mark.usefixtures("samples")
@pytest.mark.parametrize("name", ["rigl", "granet", "lr_rewind"])
def test_a_new_kind_is_one_class_and_trains_is_planned_recorded_and_checked(name, tmp_path):
    run = small(name, "samples:500", recipe={"warmup_epochs": 0})
    made = train(run)
    assert 500 <= made.course.ledger.samples < 500 + BATCH
    assert made.final_violations() == []
    task = prepare(run)
    expected = forecast(
        run.method,
        run.sparsity,
        task.budget,
        task.costs,
        [weight for _, weight in task.layers],
        train_samples=TRAIN,
        batch_size=BATCH,
    )
    assert expected.train_flops == pytest.approx(made.course.ledger.flops, rel=0.15)
    kept = record(run, tmp_path)
    assert kept["status"] == "done"
    assert counts.refusals(kept) == []
    kept["config"]["budget"]["amount"] = 400
    assert counts.refusals(kept) == ["budget: 504 training images where the budget is 400"]


@pytest.mark.usefixtures("samples")
def test_a_new_kind_is_known_to_the_command_line():
    assert "samples" in choices("budget")
    assert (resolve(["budget=samples"]).budget.kind, resolve(["budget=samples"]).budget.amount) == ("samples", 500)
    assert resolve(["budget=samples:900x2"]).budget.stretch == 2
    with pytest.raises(UsageError, match="over the largest allowed, 1e"):
        resolve(["budget=samples:2e12"])


def test_an_unknown_kind_is_refused_with_those_that_there_are():
    with pytest.raises(UsageError, match="unknown budget kind 'images': allowed are epochs, flops, seconds, steps"):
        kinds.kind("images")


@pytest.mark.parametrize(
    ("name", "amount", "steps", "sized"),
    [
        ("epochs", 3, 3 * PER_EPOCH, 2 * 3 * PER_EPOCH),
        ("steps", 33, 33, 66),
        ("flops", 0.5, EPOCHS * PER_EPOCH, 0.5 * 2 * 1000),
        ("seconds", 60, EPOCHS * PER_EPOCH, 120),
    ],
)
def test_an_amount_in_the_unit_of_the_clock_and_the_dense_run_it_is_compared_with(name, amount, steps, sized):
    kind = KINDS[name]
    assert kind.reference_steps(amount, PER_EPOCH, EPOCHS) == steps
    assert kind.size(amount, 2.0, Reference(steps, 1000)) == sized


@pytest.mark.parametrize(
    ("name", "amount", "words"),
    [
        ("epochs", 160, "160 epochs"),
        ("epochs", 1, "1 epoch"),
        ("flops", 0.5, "0.5 of the dense run's FLOPs"),
        ("parsecs", 12, "12 parsecs"),
    ],
)
def test_an_amount_in_words_also_of_a_kind_known_elsewhere(name, amount, words):
    assert kinds.words(name, amount) == words


@pytest.mark.parametrize(
    ("name", "spent", "kept"),
    [
        ("steps", Usage(steps=100), True),
        ("steps", Usage(steps=101), False),
        ("flops", Usage(flops=109), True),
        ("flops", Usage(flops=111), False),
        ("flops", Usage(flops=99), False),
        ("seconds", Usage(steps=50, seconds=104.9), True),
        ("seconds", Usage(steps=50, seconds=106), False),
        ("seconds", Usage(steps=50, seconds=99), False),
    ],
)
def test_a_budget_is_kept_to_within_its_last_iteration(name, spent, kept):
    assert (KINDS[name].miss(100, spent, Usage(1, 8, 10)) is None) is kept
