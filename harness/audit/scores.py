"""Checks of the scores of a record, by its task: what cannot be recounted but must be possible.

They read records alone, and so know the tasks of this project by name (`harness.records.metrics.BUILT_IN`). Of a task
from a plug-in they know what ``config.dataset.metric`` says: its direction and its bounds.
"""

import math

from harness.audit import splits
from harness.records import Record, bits, metrics

# Of one value that another gives: what float64 leaves of it.
_ROUNDING = 1e-9
# The exponential of a loss that is no longer a number of nats is beyond floats, and in no record.
_LARGEST_EXPONENT = 700
# Records of a classification say which samples are right of test sets up to this size.
_RIGHT_UP_TO = 1_000_000
_TOP = 5
# A loss this much above the largest of training is none of a network that is right about every sample.
_ABOVE_TRAINING = 10


def metric_refusals(record: Record) -> list[str]:
    """Refuse a metric that is not the one of its task, if the task is one of this project.

    Args:
        record: A record that keeps its schema, of any status.
    """
    dataset = record["config"]["dataset"]
    task = metrics.task_of(dataset)
    known = metrics.BUILT_IN.get(task)
    if known is None:
        return _form(task, metrics.of_dataset(dataset))
    if metrics.of_dataset(dataset) == known:
        return []
    described, own = dataset.get("metric") or {}, known.described()
    name = next((name for name in (*own, *described) if described.get(name) != own.get(name)), "name")
    return [f"dataset.metric: {name} is {described.get(name)!r}, but the task {task} has {own.get(name)!r}"]


def _form(task: str, metric: metrics.Metric) -> list[str]:
    """Refuse names of a plug-in that are no words, and a direction that a metric of this name cannot have."""
    for place, name in (("task", task), ("metric: name", metric.name), ("metric: label", metric.label)):
        if not name.isprintable() or name != name.strip():
            return [f"dataset.{place} is {name!r}; it must be printable, without spaces around it"]
    higher = {known.name: known.higher for known in metrics.BUILT_IN.values()} | {"loss": False}
    if metric.higher != higher.get(metric.name, metric.higher):
        other = "lower" if metric.higher else "higher"
        return [f"dataset.metric: higher is {metric.higher}, but of {metric.name} a {other} value is better"]
    return []


def refusals(record: Record) -> list[str]:
    """Return what cannot be true of the scores of a record that is done.

    Args:
        record: A record that keeps its schema.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
    """
    task, metric = metrics.task_of(record["config"]["dataset"]), metrics.of(record)
    found = [] if task == metrics.CLASSIFICATION else _bounds(record)
    if found:
        return found
    if metric == metrics.ACCURACY:
        loss = _loss_of_accuracy if task == metrics.CLASSIFICATION else _loss_of_all_right
        found = [*_shares(record), *_right(record), *loss(record)]
    else:
        found = _language(record) if task == metrics.LANGUAGE else _mean_loss(record)
    return [*found, *splits.refusals(record)]


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
        if value is not None and not is_share(value, examples):
            found.append(f"{name}: {value} is not a multiple of 1/{examples}, the number of examples")
    if measured["test_top5"] is None and data["classes"] > _TOP and _is_classification(record):
        found.append(f"test_top5: missing, which is measured where there are over {_TOP} classes")
    if measured["test_top5"] is not None and measured["test_top5"] < measured["test_accuracy"]:
        found.append("test_top5: less than test_accuracy")
    return found


def made_under(record: Record, rules: list[int]) -> bool:
    """Return whether a record was made under rules of a version, or of a later one."""
    return [int(part) for part in str(record["config"].get("rules", "0.0")).split(".")] >= rules


def is_share(value: float, examples: int) -> bool:
    """Return whether some number of correct answers gives an accuracy."""
    return abs(value * examples - round(value * examples)) <= 1e-3  # float32 sums and quotients are right to about 1e-7


def _is_classification(record: Record) -> bool:
    return metrics.task_of(record["config"]["dataset"]) == metrics.CLASSIFICATION


def _right(record: Record) -> list[str]:
    """Compare the accuracy with the samples that are said to be classified correctly, if any are."""
    text, samples = record["metrics"].get("test_right"), record["config"]["dataset"]["test_examples"]
    if text is None:
        # Older than the field, or too long for a record.
        needed = made_under(record, [1, 2]) and samples <= _RIGHT_UP_TO and _is_classification(record)
        return ["test_right: missing, which samples were classified correctly"] if needed else []
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
    # A right one gives it at least the probability of any other class.
    most = math.log(record["config"]["dataset"]["classes"])
    if accuracy == 1 and loss > most * 1.001:
        return [f"test_loss: {loss}, but an accuracy of 1 costs at most {most:.4g}"]
    return []


def _loss_of_all_right(record: Record) -> list[str]:
    """Refuse a loss of a plug-in that no network has which is right about every sample; whatever loss that is."""
    loss, accuracy = record["metrics"]["test_loss"], record["metrics"]["test_accuracy"]
    trained = [point["train_loss"] for point in record["curve"] if point["train_loss"] is not None]
    if accuracy < 1 or not trained:
        return []
    most = max(_ABOVE_TRAINING * max(trained), math.log(record["config"]["dataset"]["classes"]))
    if loss <= most:
        return []
    return [f"test_loss: {loss}, but every sample is right and the training loss at most {max(trained):.4g}"]


def _bounds(record: Record) -> list[str]:
    """Refuse values that the metric cannot have, on either split and at any point of the curve."""
    metric = metrics.of(record)
    lowest = -math.inf if metric.lowest is None else metric.lowest
    highest = math.inf if metric.highest is None else metric.highest
    test, val = (metrics.field(metric, split) for split in ("test", "val"))
    values = [(test, metrics.test(record)), (val, metrics.validation(record["metrics"]))]
    values += [(f"curve: {val}", metrics.validation(point)) for point in record["curve"]]
    values += [(f"rounds: {val}", metrics.validation(point)) for point in record["rounds"]]
    if record["metrics"]["test_loss"] is None:
        return ["test_loss: missing, but the run is done"]
    for name, value in values:
        if value is not None and not (math.isfinite(value) and lowest <= value <= highest):
            return [f"{name}: {value}, but {metric.name} goes from {lowest:g} to {highest:g}"]
    return []


def _language(record: Record) -> list[str]:
    """Work out bits and perplexity from the loss."""
    measured, found = record["metrics"], []
    bits_per_byte, loss = measured["test_score"], measured["test_loss"]
    if not math.isclose(bits_per_byte, loss / math.log(2), rel_tol=_ROUNDING, abs_tol=_ROUNDING):
        found.append(f"test_score: {bits_per_byte}, but a loss of {loss} is {loss / math.log(2):.6g} bits per byte")
    more = measured.get("test_more") or {}
    if more.keys() - {"perplexity"}:
        found.append(f"test_more: {', '.join(sorted(more.keys() - {'perplexity'}))}, which this task does not measure")
    perplexity, follows = more.get("perplexity"), loss < _LARGEST_EXPONENT
    if perplexity is None and follows:
        found.append(f"test_more: no perplexity, but that of a loss of {loss} is {math.exp(loss):.6g}")
    if perplexity is not None and not (follows and math.isclose(perplexity, math.exp(loss), rel_tol=_ROUNDING)):
        found.append(f"test_more: a perplexity of {perplexity} is not that of a loss of {loss}")
    return found


def _mean_loss(record: Record) -> list[str]:
    """Compare the score with the loss where the task is compared by its mean loss, as one that names no metric."""
    score, loss = metrics.test(record), record["metrics"]["test_loss"]
    if metrics.of(record).name != "loss" or score == loss:
        return []
    return [f"test_score: {score}, but the mean loss is {loss}"]
