"""How far the score of a test set may lie from that of the validation split: the same weights on other samples.

What is allowed is generous: no honest run of this project comes near it, and none is known of another that does not.
Where nothing is known of a metric, `unknown` says so.
"""

import math

from harness.records import Record, metrics

# Standard errors that chance may explain in the difference of two means.
_SIGMAS = 5
# Beyond chance, a test set may be this much harder or easier than the split held out for validation: in accuracy, in
# bits per byte, and by this share of the bits.
_SHIFT = 0.05
# About the largest standard deviation of the bits per byte of windows of 128 bytes. Of n-grams of 1 to 5 bytes it is up
# to 0.83 on `stdlib_text` and 0.32 on `bible` and `shakespeare`; the means of both splits differ by up to 0.08.
_WINDOW, _WINDOW_SD = 128, 0.85
# Means of losses and errors of which no more is known than that none is negative may differ by this factor where
# there are many samples, and by one that falls with the standard error of a mean where there are few.
_FACTOR, _FACTOR_OF_FEW, _FEW = 4, 20, 10
# Both may also be next to nothing, beside what they were in training.
_NOTHING = 1e-3
# Of a metric with two bounds, a share of what lies between, and standard errors of what differs the most.
_OF_RANGE, _RANGE_SD = 0.25, 0.5


def refusals(record: Record) -> list[str]:
    """Refuse a test score that is implausible after the curve.

    Args:
        record: One that is done, with a score.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
    """
    metric, data = metrics.of(record), record["config"]["dataset"]
    name = metrics.field(metric, "val")
    last = last_validation(record)
    noun = "accuracy" if metric == metrics.ACCURACY else metric.name
    if data["val_examples"] == 0:
        return [] if last is None else [f"curve: a validation {noun}, of no samples"]
    if last is None:
        missing = "validation accuracy" if metric == metrics.ACCURACY else name
        return [f"curve: the last point has no {missing}"] if record["curve"] else []
    test = metrics.test(record)
    assert test is not None
    return _far(record, metric, test, last)


def _far(record: Record, metric: metrics.Metric, test: float, last: float) -> list[str]:
    after = f"{metrics.field(metric, 'test')}: {_number(metric, test)} is implausible after a curve that ends at"
    after += f" {_number(metric, last)}"
    if _of_errors(record):
        factor = _factor(record)
        tiny = _NOTHING * max(abs(metrics.validation(point) or 0.0) for point in record["curve"])
        if factor is None or min(test, last) < 0 or max(test, last) <= factor * min(test, last) + tiny:
            return []
        return [f"{after} (a factor of up to {factor:.1f} is allowed)"]
    allowed = _allowed(record, metric, test, last)
    if allowed is None or abs(test - last) <= allowed:
        return []
    return [f"{after} (± {allowed:.4f})"]


def last_validation(record: Record) -> float | None:
    """Return the metric at the last point of the curve; None if it is empty, or nothing was measured there."""
    return metrics.validation(record["curve"][-1]) if record["curve"] else None


def unknown(record: Record) -> list[str]:
    """Say what no check knows of the scores of a finished record: of the metrics of plug-ins.

    Args:
        record: One that passes its checks.
    """
    data, metric, test = record["config"]["dataset"], metrics.of(record), metrics.test(record)
    if record["status"] != "done" or test is None or metrics.task_of(data) in metrics.BUILT_IN:
        return []
    found = []
    if metric.name != "loss":
        found.append("test_loss: not checked; how it depends on the score is known to the plug-in alone")
    name, last = metrics.field(metric, "test"), last_validation(record)
    if last is None:
        found.append(f"{name}: not held against a validation; there is none")
    elif _of_errors(record) and (_factor(record) is None or min(test, last) < 0):
        found.append(f"{name}: not held against the validation; of so few samples, or below 0, it may be anything")
    elif not _of_errors(record) and _allowed(record, metric, test, last) is None:
        found.append(f"{name}: not held against the validation; how far they may differ is unknown for {metric.name}")
    return found


def _of_text(record: Record) -> bool:
    return metrics.task_of(record["config"]["dataset"]) == metrics.LANGUAGE


def _of_errors(record: Record) -> bool:
    """Tell whether the metric is a loss or an error of which no more is known: less is better, without an end."""
    metric = metrics.of(record)
    return not _of_text(record) and not metric.higher and metric.highest is None


def _error(record: Record) -> float:
    """Return the standard error of the difference of the means of both splits, for a standard deviation of 1."""
    data = record["config"]["dataset"]
    return math.sqrt(1 / data["test_examples"] + 1 / data["val_examples"])


def _factor(record: Record) -> float | None:
    """Return by which factor two means of errors may differ; None for so few samples that any may be."""
    data = record["config"]["dataset"]
    if min(data["test_examples"], data["val_examples"]) < _FEW:
        return None
    return _FACTOR + _FACTOR_OF_FEW * _error(record)


def _allowed(record: Record, metric: metrics.Metric, test: float, last: float) -> float | None:
    """Return by how much two scores may differ; None if that is not known."""
    error = _SIGMAS * _error(record)
    if metric == metrics.ACCURACY:
        share = min(max((test + last) / 2, 0.01), 0.99)
        return _SHIFT + error * math.sqrt(share * (1 - share))
    if _of_text(record):
        shape = record["config"]["dataset"]["shape"]
        deviation = _WINDOW_SD * math.sqrt(max(1.0, _WINDOW / shape[0]))  # a shorter window is more often an odd one
        return _SHIFT + _SHIFT * max(test, last) + error * deviation
    if metric.lowest is None or metric.highest is None:
        return None
    return (metric.highest - metric.lowest) * (_OF_RANGE + error * _RANGE_SD)


def _number(metric: metrics.Metric, value: float) -> str:
    return f"{value:.4f}" if metric in (metrics.ACCURACY, metrics.BITS_PER_BYTE) else f"{value:.4g}"
