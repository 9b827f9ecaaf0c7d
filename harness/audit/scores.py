"""Checks of the scores of a record, by its task: what cannot be recounted but must be possible.

They read records alone, and so know the tasks of this project by name (`harness.records.metrics.BUILT_IN`). Of a task
from a plug-in they know what ``config.dataset.metric`` says: its direction and its bounds.
"""

import math

from harness.records import Record, bits, metrics

# Beyond chance, a test set may be this much harder or easier than the split held out for validation.
_SHIFT = 0.05
# Standard errors that chance may explain in the difference of two accuracies.
_SIGMAS = 5
# Texts differ more than images do: bits per byte of the test split may differ from those of the validation split by
# this much, and by this share of the larger one.
_TEXT_SHIFT, _TEXT_SHARE = 0.25, 0.25
# Of one value that another gives: what float64 leaves of it.
_ROUNDING = 1e-9


def metric_refusals(record: Record) -> list[str]:
    """Refuse a metric that is not the one of its task, if the task is one of this project.

    Args:
        record: A record that keeps its schema, of any status.
    """
    dataset = record["config"]["dataset"]
    task = metrics.task_of(dataset)
    known = metrics.BUILT_IN.get(task)
    if known is None or metrics.of_dataset(dataset) == known:
        return []
    described, own = dataset.get("metric") or {}, known.described()
    name = next((name for name in (*own, *described) if described.get(name) != own.get(name)), "name")
    return [f"dataset.metric: {name} is {described.get(name)!r}, but the task {task} has {own.get(name)!r}"]


def refusals(record: Record) -> list[str]:
    """Return what cannot be true of the scores of a record that is done.

    Args:
        record: A record that keeps its schema.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
    """
    task = metrics.task_of(record["config"]["dataset"])
    if task == metrics.CLASSIFICATION:
        return [*_shares(record), *_right(record), *_loss_of_accuracy(record), *_shift_of_accuracy(record)]
    found = _bounds(record)
    return found or (_language(record) if task == metrics.LANGUAGE else _mean_loss(record))


def last_validation(record: Record) -> float | None:
    """Return the metric at the last point of the curve; None if it is empty, or nothing was measured there."""
    return metrics.validation(record["curve"][-1]) if record["curve"] else None


def _shares(record: Record) -> list[str]:
    """Refuse an accuracy that no number of correct answers gives."""
    data, measured = record["config"]["dataset"], record["metrics"]
    examples_of = {
        "test_accuracy": data["test_examples"],
        "test_top5": data["test_examples"],
        "val_accuracy": data["val_examples"],
    }
    found = []
    for name, examples in examples_of.items():
        value = measured[name]
        # float32 sums and quotients are right to about 1e-7
        if value is not None and abs(value * examples - round(value * examples)) > 1e-3:
            found.append(f"{name}: {value} is not a multiple of 1/{examples}, the number of examples")
    if measured["test_top5"] is not None and measured["test_top5"] < measured["test_accuracy"]:
        found.append("test_top5: less than test_accuracy")
    return found


def _right(record: Record) -> list[str]:
    """Compare the accuracy with the samples that are said to be classified correctly, if any are."""
    text, samples = record["metrics"].get("test_right"), record["config"]["dataset"]["test_examples"]
    if text is None:
        return []
    try:
        right = int.from_bytes(bits.unpack(text, samples), "big").bit_count()
    except ValueError as error:
        return [str(error)]
    claimed = round(record["metrics"]["test_accuracy"] * samples)
    if right == claimed:
        return []
    return [f"test_right: {right} samples are right, the accuracy is {claimed} of {samples}"]


def _loss_of_accuracy(record: Record) -> list[str]:
    loss, accuracy = record["metrics"]["test_loss"], record["metrics"]["test_accuracy"]
    # A wrong answer gives the truth a probability of at most one half, so it costs at least ln 2.
    least = (1 - accuracy) * math.log(2)
    if loss is None or loss < least * 0.999:
        return [f"test_loss: {loss}, but an accuracy of {accuracy} costs at least {least:.4g}"]
    return []


def _shift_of_accuracy(record: Record) -> list[str]:
    """Compare the test accuracy with the last validation: the same weights on other samples not trained on."""
    data, test, last = record["config"]["dataset"], record["metrics"]["test_accuracy"], last_validation(record)
    if data["val_examples"] == 0:
        return [] if last is None else ["curve: a validation accuracy, of no samples"]
    if last is None:
        return ["curve: the last point has no validation accuracy"]
    share = min(max((test + last) / 2, 0.01), 0.99)
    error = math.sqrt(share * (1 - share) * (1 / data["test_examples"] + 1 / data["val_examples"]))
    allowed = _SHIFT + _SIGMAS * error
    if abs(test - last) > allowed:
        return [f"test_accuracy: {test:.4f} is implausible after a curve that ends at {last:.4f} (± {allowed:.4f})"]
    return []


def _bounds(record: Record) -> list[str]:
    """Refuse values that the metric cannot have, on either split and at any point of the curve."""
    metric = metrics.of(record)
    lowest = -math.inf if metric.lowest is None else metric.lowest
    highest = math.inf if metric.highest is None else metric.highest
    test, val = (metrics.field(metric, split) for split in ("test", "val"))
    values = [(test, metrics.test(record)), (val, metrics.validation(record["metrics"]))]
    values += [(f"curve: {val}", metrics.validation(point)) for point in record["curve"]]
    values += [(f"rounds: {val}", metrics.validation(point)) for point in record["rounds"]]
    if record["curve"] and record["config"]["dataset"]["val_examples"] and last_validation(record) is None:
        return [f"curve: the last point has no {val}"]
    if record["metrics"]["test_loss"] is None:
        return ["test_loss: missing, but the run is done"]
    for name, value in values:
        if value is not None and not (math.isfinite(value) and lowest <= value <= highest):
            return [f"{name}: {value}, but {metric.name} goes from {lowest:g} to {highest:g}"]
    return []


def _language(record: Record) -> list[str]:
    """Work out bits and perplexity from the loss, and compare the splits: the same weights on other texts."""
    measured, found = record["metrics"], []
    bits_per_byte, loss = measured["test_score"], measured["test_loss"]
    if not math.isclose(bits_per_byte, loss / math.log(2), rel_tol=_ROUNDING, abs_tol=_ROUNDING):
        found.append(f"test_score: {bits_per_byte}, but a loss of {loss} is {loss / math.log(2):.6g} bits per byte")
    more = measured.get("test_more") or {}
    if more.keys() - {"perplexity"}:
        found.append(f"test_more: {', '.join(sorted(more.keys() - {'perplexity'}))}, which this task does not measure")
    perplexity = more.get("perplexity")
    # The exponential of a loss that is no longer a number of nats is beyond floats, and in no record.
    if perplexity is not None and not (loss < 700 and math.isclose(perplexity, math.exp(loss), rel_tol=_ROUNDING)):
        found.append(f"test_more: a perplexity of {perplexity} is not that of a loss of {loss}")
    last = last_validation(record)
    allowed = _TEXT_SHIFT + _TEXT_SHARE * max(bits_per_byte, last or 0.0)
    if last is not None and abs(bits_per_byte - last) > allowed:
        where = f"a curve that ends at {last:.4f} (± {allowed:.4f})"
        found.append(f"test_score: {bits_per_byte:.4f} bits per byte are implausible after {where}")
    return found


def _mean_loss(record: Record) -> list[str]:
    """Compare the score with the loss where the task is compared by its mean loss, as one that names no metric."""
    score, loss = metrics.test(record), record["metrics"]["test_loss"]
    if metrics.of(record).name != "loss" or score == loss:
        return []
    return [f"test_score: {score}, but the mean loss is {loss}"]
