"""The checks of scores by task: of language, and of tasks from plug-ins, whose metric may be any."""

import math

import pytest
from records import make, resealed

from harness.audit import scores
from harness.audit.claims import claim_problems
from harness.audit.submission import check
from harness.executors.rerun import compare
from harness.records import metrics, record_name
from harness.records.metrics import BITS_PER_BYTE, Metric
from harness.records.record import text
from harness.records.validate import validate

ERROR = Metric("error", "mean squared error", higher=False, lowest=0.0)
LOSS = 1.4  # nats per byte


def of_task(task, metric, score, val, *, loss=LOSS, more=None, seed=0):
    """Return a record of another task than classification."""
    made = make("rigl", seed=seed)
    made["config"]["dataset"] |= {"task": task, "metric": metric.described(), "mean": [], "std": []}
    for name in ("test_accuracy", "test_top5", "val_accuracy"):
        del made["metrics"][name]
    made["metrics"] |= {"test_score": score, "val_score": val, "test_loss": loss}
    if more is not None:
        made["metrics"]["test_more"] = more
    for point in made["curve"]:
        del point["val_accuracy"]
        point["val_score"] = val
    return resealed(made)


def of_text(*, loss=LOSS, val=2.1, more=True, **task):
    more = {"perplexity": math.exp(loss)} if more is True else more
    return of_task("language", BITS_PER_BYTE, loss / math.log(2), val, loss=loss, more=more, **task)


def refusals(folder, made):
    """Write a record among three seeds and check it."""
    for seed in (1, 2):
        other = of_text(seed=seed)
        (folder / record_name(other)).write_text(text(other))
    path = folder / record_name(made)
    path.write_text(text(made))
    return check([path])[path]


def test_an_honest_record_of_language_passes(tmp_path):
    made = of_text()
    assert validate(made) == []
    assert refusals(tmp_path, made) == []
    assert refusals(tmp_path, of_text(more=None)) == []  # the exponential of a large loss is in no record


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        ({"test_score": 1.0}, "test_score: 1.0, but a loss of 1.4 is 2.01977 bits per byte"),
        ({"test_loss": 0.7}, "test_score: 2.0"),
        ({"test_loss": None}, "test_loss: missing"),
        ({"test_score": -0.1}, "test_score: -0.1, but bits_per_byte goes from 0 to inf"),
        ({"test_more": {"perplexity": 3.0}}, "test_more: a perplexity of 3.0 is not that of a loss of 1.4"),
        ({"test_more": {"bleu": 1.0}}, "test_more: bleu, which this task does not measure"),
        ({"val_score": 2.0}, "val_score: 2.0, but the curve ends with 2.1"),
    ],
)
def test_a_forged_score_of_language_is_refused_with_the_reason(forge, reason, tmp_path):
    made = of_text()
    made["metrics"] |= forge
    assert any(line.startswith(reason) for line in refusals(tmp_path, made))


def test_a_test_split_that_is_far_easier_than_the_validation_split_is_implausible():
    assert scores.refusals(of_text(val=2.7)) == []
    (line,) = scores.refusals(of_text(val=3.2))
    assert line.startswith("test_score: 2.0198 bits per byte are implausible after a curve that ends at 3.2000 (± ")
    made = of_text()
    made["curve"][-1]["val_score"] = None
    assert scores.refusals(made) == ["curve: the last point has no val_score"]


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ({"higher": True}, "dataset.metric: higher is True, but the task language has False"),
        ({"lowest": None}, "dataset.metric: lowest is None, but the task language has 0.0"),
        ({"name": "bits"}, "dataset.metric: name is 'bits', but the task language has 'bits_per_byte'"),
    ],
)
def test_a_task_of_this_project_has_its_own_metric_whatever_became_of_the_run(metric, reason, tmp_path):
    made = of_text()
    made["config"]["dataset"]["metric"] |= metric
    assert scores.metric_refusals(made) == [reason]
    assert reason in refusals(tmp_path, resealed(made))
    assert scores.metric_refusals(make("rigl", status="failed")) == []


def test_a_task_from_a_plug_in_is_held_to_the_bounds_of_its_metric(tmp_path):
    assert refusals(tmp_path, of_task("Prices", ERROR, 0.4, 0.5))[:1] == [
        "seeds: only 0; a submission has at least 3, including those that failed"
    ]
    assert scores.refusals(of_task("Prices", ERROR, 9.0, 0.5)) == []  # nobody knows what is plausible there
    assert scores.refusals(of_task("Prices", ERROR, 0.4, -0.5)) == ["val_score: -0.5, but error goes from 0 to inf"]
    mean_loss = Metric("loss", "mean loss", higher=False, digits=4)
    assert scores.refusals(of_task("Prices", mean_loss, LOSS, 0.5)) == []
    assert scores.refusals(of_task("Prices", mean_loss, 1.0, 0.5)) == ["test_score: 1.0, but the mean loss is 1.4"]


def test_a_repetition_of_another_task_may_drift_by_a_share_of_its_score_elsewhere():
    record, again = of_text(), of_text(loss=1.5)
    assert compare(record, again) == ["test_score: 2.01977, and here 2.16404 (± 0 allowed)"]
    again["provenance"]["cpu"] = "another"
    assert compare(record, again) == ["test_score: 2.01977, and here 2.16404 (± 0.1 allowed)"]
    near = of_text(loss=1.41)
    near["provenance"]["cpu"] = "another"
    assert compare(record, near) == []


@pytest.mark.parametrize(
    ("claimed", "reason"),
    [
        ({}, None),
        ({"test_score": 2.0201}, None),  # as another order of sums may make it
        ({"test_score": 1.9}, "test_score is 1.9, measured"),
        ({"test_loss": 1.3}, "test_loss is 1.3, measured"),
        ({"test_more": {}}, "test_more has nothing, measured was perplexity"),
        ({"test_more": {"perplexity": 4.0}}, "test_more.perplexity is 4.0, measured"),
    ],
)
def test_the_referee_s_measurement_stands_against_a_claim_of_another_task(claimed, reason):
    made = of_text()
    measured = {name: value for name, value in made["metrics"].items() if name.startswith("test_")}
    measured |= {"test_right": None, "reliability": None}
    made["metrics"] = made["metrics"] | claimed
    ending, layers = made["topology"][-1]["active"], made["config"]["layers"]
    none = [0] * len(layers)
    found = {"layers": layers, "fixed_flops": 0, "active": ending, "nonzero": ending, "outside": none, **measured}
    problems = [line for line in claim_problems(made, found, 1000, 20.0) if line.startswith("test_")]
    assert (problems[0] if problems else None) == reason or problems[0].startswith(reason)


def test_the_metric_of_a_task_is_read_from_the_record():
    assert metrics.of(of_text()) == BITS_PER_BYTE
    assert metrics.test(of_text()) == pytest.approx(2.01977, abs=1e-5)
