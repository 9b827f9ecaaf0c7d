"""The checks of scores by task: of language, and of tasks from plug-ins, whose metric may be any."""

import math
from dataclasses import replace

import pytest
from records import make, resealed

from harness.audit import scores, splits
from harness.audit.claims import claim_problems
from harness.audit.submission import check
from harness.cli import main
from harness.executors.rerun import compare
from harness.records import metrics, record_name
from harness.records.metrics import ACCURACY, BITS_PER_BYTE, Metric
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
    diverged = of_text(loss=800.0, val=1150.0, more=None)  # the exponential of that is in no record
    assert scores.refusals(diverged) == []


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        ({"test_score": 1.0}, "test_score: 1.0, but a loss of 1.4 is 2.01977 bits per byte"),
        ({"test_loss": 0.7}, "test_score: 2.0"),
        ({"test_loss": None}, "test_loss: missing"),
        ({"test_score": -0.1}, "test_score: -0.1, but bits_per_byte goes from 0 to inf"),
        ({"test_more": {"perplexity": 3.0}}, "test_more: a perplexity of 3.0 is not that of a loss of 1.4"),
        ({"test_more": {"perplexity": None}}, "test_more: no perplexity, but that of a loss of 1.4 is 4.0552"),
        ({"test_more": {}}, "test_more: no perplexity"),
        ({"test_more": {"bleu": 1.0}}, "test_more: bleu, which this task does not measure"),
        ({"val_score": 2.0}, "val_score: 2.0, but the curve ends with 2.1"),
    ],
)
def test_a_forged_score_of_language_is_refused_with_the_reason(forge, reason, tmp_path):
    made = of_text()
    made["metrics"] |= forge
    assert any(line.startswith(reason) for line in refusals(tmp_path, made))


def served(made, test, val, shape=(128,)):
    """Give a record these numbers of samples."""
    made["config"]["dataset"] |= {"test_examples": test, "val_examples": val, "shape": list(shape)}
    return made


@pytest.mark.parametrize(
    ("test", "val", "samples"),
    [  # genuine runs, of a library, of short texts and of tables of characters, whose parts differ the most
        *((2.5775, 2.6026, (1024, 256)), (5.0683, 5.072, (117, 92)), (7.9554, 7.9841, (16, 8))),
        *((0.8642, 0.7776, (197, 100)), (1.1582, 0.9714, (197, 339)), (0.0967, 0.0954, (117, 92))),
    ],
)
def test_genuine_scores_of_language_pass(test, val, samples):
    assert scores.refusals(served(of_text(loss=test * math.log(2), val=val), *samples)) == []


@pytest.mark.parametrize(
    ("test", "val", "samples"),
    [(4.0, 5.072, (117, 92)), (2.05, 2.6026, (1024, 256)), (3.2, 2.6026, (1024, 256)), (0.4, 1.1582, (197, 339))],
)
def test_a_text_that_is_far_easier_or_harder_than_that_of_the_validation_is_implausible(test, val, samples):
    (line,) = scores.refusals(served(of_text(loss=test * math.log(2), val=val), *samples))
    assert line.startswith(f"test_score: {test:.4f} is implausible after a curve that ends at {val:.4f} (± ")


def test_a_curve_ends_with_a_validation_if_there_are_samples_for_one():
    made = of_text()
    made["curve"][-1]["val_score"] = None
    assert scores.refusals(made) == ["curve: the last point has no val_score"]
    assert scores.refusals(served(of_text(), 100, 0)) == ["curve: a validation bits_per_byte, of no samples"]


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


MEAN_LOSS = Metric("loss", "mean loss", higher=False, digits=4)
OVERLAP = Metric("overlap", "overlap", higher=True, lowest=0.0, highest=1.0)
REWARD = Metric("reward", "reward", higher=True)


def test_a_task_from_a_plug_in_is_held_to_the_bounds_of_its_metric(tmp_path):
    assert refusals(tmp_path, of_task("Prices", ERROR, 0.4, 0.5))[:1] == [
        "seeds: only 0; a submission has at least 3, including those that failed"
    ]
    assert scores.refusals(of_task("Prices", ERROR, 0.4, -0.5)) == ["val_score: -0.5, but error goes from 0 to inf"]
    assert scores.refusals(of_task("Prices", MEAN_LOSS, LOSS, 0.5)) == []
    assert scores.refusals(of_task("Prices", MEAN_LOSS, 1.0, 0.5)) == ["test_score: 1.0, but the mean loss is 1.4"]


@pytest.mark.parametrize(
    ("metric", "test", "val", "samples", "allowed"),
    [
        (MEAN_LOSS, 0.0001, 1.14, (100, 20), "a factor of up to 8.9 is allowed"),
        (MEAN_LOSS, 0.6368, 0.1578, (100, 20), None),  # genuine
        (MEAN_LOSS, 1e-7, 1e-9, (1000, 200), "a factor of up to 5.5 is allowed"),
        (MEAN_LOSS, -8.0, 0.5, (1000, 200), None),  # of a loss that may be negative nothing is known
        (ERROR, 9.0, 0.5, (1000, 200), "a factor of up to 5.5 is allowed"),
        (ERROR, 1.4, 2.4, (50, 1), None),
        (ERROR, 1e-4, 2.4, (50, 1), None),
        (OVERLAP, 0.9, 0.4, (1000, 200), "± 0.4436"),
        (OVERLAP, 0.8, 0.4, (1000, 200), None),
        (REWARD, 900.0, 1.0, (1000, 200), None),
    ],
)
def test_how_far_test_and_validation_of_a_plug_in_may_lie_apart(metric, test, val, samples, allowed):
    loss = test if metric == MEAN_LOSS else LOSS
    found = scores.refusals(served(of_task("Prices", metric, test, val, loss=loss), *samples))
    start = f"test_score: {test:.4g} is implausible after a curve that ends at {val:.4g} ("
    assert found == ([f"{start}{allowed})"] if allowed else [])


def test_errors_that_are_next_to_nothing_beside_those_of_training_may_differ_by_any_factor():
    made = of_task("Prices", MEAN_LOSS, 1e-7, 1e-9, loss=1e-7)
    made["curve"][0]["val_score"] = 1.0
    assert scores.refusals(made) == []


def test_what_is_not_known_of_a_metric_is_said():
    def said(*task, samples=(1000, 200)):
        return [line.partition(";")[0] for line in splits.unknown(served(of_task("Prices", *task), *samples))]

    assert splits.unknown(make("rigl")) == splits.unknown(of_text()) == said(MEAN_LOSS, LOSS, 1.0) == []
    assert said(ERROR, 0.4, 0.5) == said(OVERLAP, 0.4, 0.5) == ["test_loss: not checked"]
    unheld = "test_score: not held against the validation"
    assert said(REWARD, 1.0, 2.0) == ["test_loss: not checked", unheld]
    assert said(MEAN_LOSS, LOSS, 1.0, samples=(50, 9)) == [unheld]
    assert said(MEAN_LOSS, LOSS, None) == ["test_score: not held against a validation"]


def test_the_command_says_what_it_does_not_know_of_records_that_pass(tmp_path, capsys):
    for seed in range(3):
        made = of_task("Prices", REWARD, 1.0, 2.0, seed=seed)
        (tmp_path / record_name(made)).write_text(text(made))
    given = main.parse(["check", str(tmp_path)])
    assert given.call(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(": passes")
    assert lines[1].startswith("  note: test_loss: not checked; how it depends on the score is known to the plug-in")
    assert lines[-1] == "3 checked: 3 pass, 0 refused"


def of_accuracy(**changes):
    made = make("rigl", accuracy=0.97)
    made["config"]["dataset"] |= {"task": "Speech", "metric": ACCURACY.described()}
    made["metrics"] |= {"test_top5": None} | changes
    return resealed(made)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"test_loss": 40.0}, None),  # of one wrong answer that may be, whatever the loss is
        ({"test_accuracy": 0.97005}, "test_accuracy: 0.97005 is not a multiple of 1/1000"),
        ({"test_accuracy": 1.0, "test_loss": 40.0}, "test_loss: 40.0, but every sample is right and the training loss"),
        ({"test_top5": 0.5}, "test_top5: less than test_accuracy"),
        ({"test_accuracy": 0.5}, "test_accuracy: 0.5000 is implausible after a curve"),
    ],
)
def test_a_plug_in_that_is_compared_by_accuracy_is_held_to_what_an_accuracy_is(changes, reason):
    made = of_accuracy(**changes)
    assert validate(made) == []
    found = scores.refusals(made)
    assert found == [] if reason is None else found[0].startswith(reason)


def test_a_loss_that_is_too_large_for_answers_that_are_all_right_is_refused():
    made = make("rigl", accuracy=1.0)
    assert scores.refusals(made) == []
    made["metrics"]["test_loss"] = 2.4
    assert scores.refusals(made) == ["test_loss: 2.4, but an accuracy of 1 costs at most 2.303"]


@pytest.mark.parametrize(
    ("metric", "task", "reason"),
    [
        (ERROR, "Prices\nof houses", "dataset.task is 'Prices\\nof houses'; it must be printable, without spaces"),
        (replace(ERROR, name=" error"), "Prices", "dataset.metric: name is ' error'; it must be printable"),
        (replace(ERROR, label="\x1b[2J"), "Prices", "dataset.metric: label is '\\x1b[2J'; it must be printable"),
        (replace(MEAN_LOSS, higher=True), "Prices", "dataset.metric: higher is True, but of loss a lower value is"),
        (replace(ACCURACY, higher=False), "Prices", "dataset.metric: higher is False, but of accuracy a higher value"),
    ],
)
def test_a_metric_out_of_form_is_refused_by_name(metric, task, reason):
    (line,) = scores.metric_refusals(of_task(task, metric, 0.4, 0.5))
    assert line.startswith(reason)


@pytest.mark.parametrize(
    ("task", "changes", "reason"),
    [
        ("Costs", {}, "task 'Costs'; other records of the same data have task 'Prices'"),
        ("Prices", {"higher": True}, "higher True; other records of the same data have higher False"),
        ("Prices", {"scale": 10.0}, "scale 10.0; other records of the same data have scale 1.0"),
        ("Prices", {"highest": 9.0}, "highest 9.0; other records of the same data have highest None"),
        ("Prices", {"name": "mse", "label": "x"}, "name 'mse', label 'x'; other records of the same data have name 'e"),
    ],
)
def test_a_record_whose_metric_is_not_that_of_its_neighbours_is_refused(task, changes, reason, tmp_path):
    records = [of_task("Prices", ERROR, 0.4, 0.5, seed=seed) for seed in range(3)]
    forged = of_task(task, replace(ERROR, **changes), 0.4, 0.5, seed=3)
    for made in (*records, forged):
        (tmp_path / record_name(made)).write_text(text(made))
    found = check(tmp_path / record_name(made) for made in (*records, forged))
    assert list(found.values())[:3] == [[], [], []]
    (line,) = (line for line in found[tmp_path / record_name(forged)] if line.startswith("dataset.metric: "))
    assert line.startswith(f"dataset.metric: {reason}")


def test_of_two_metrics_with_as_many_records_neither_is_believed(tmp_path):
    for made in (of_task("Prices", ERROR, 0.4, 0.5), of_task("Prices", replace(ERROR, scale=2.0), 0.4, 0.5, seed=1)):
        (tmp_path / record_name(made)).write_text(text(made))
    found = check(tmp_path.iterdir())
    assert all(any("other records of the same data" in line for line in lines) for lines in found.values())


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
