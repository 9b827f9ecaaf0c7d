"""Checks of what cannot be recounted but must be possible: accuracies, losses, speed."""

import itertools
import math

from harness.records import Record, bits

# Beyond chance, a test set may be this much harder or easier than the split held out for validation.
_SHIFT = 0.05
# Standard errors that chance may explain in the difference of two accuracies.
_SIGMAS = 5
# No device computes faster than this (FLOP/s): many times the peak of today's.
_FASTEST = {"gpu": 2e16, "cpu": 1e14}


def refusals(record: Record) -> list[str]:
    """Return what cannot be true in a record that is done.

    Args:
        record: A record that keeps its schema.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
    """
    return [*_shares(record), *_loss(record), *_curve(record), *_plausible(record), *_speed(record)]


def _shares(record: Record) -> list[str]:
    """Refuse an accuracy that no number of correct answers gives."""
    data, metrics = record["config"]["dataset"], record["metrics"]
    examples_of = {
        "test_accuracy": data["test_examples"],
        "test_top5": data["test_examples"],
        "val_accuracy": data["val_examples"],
    }
    found = []
    for name, examples in examples_of.items():
        value = metrics[name]
        # float32 sums and quotients are right to about 1e-7
        if value is not None and abs(value * examples - round(value * examples)) > 1e-3:
            found.append(f"{name}: {value} is not a multiple of 1/{examples}, the number of examples")
    if metrics["test_top5"] is not None and metrics["test_top5"] < metrics["test_accuracy"]:
        found.append("test_top5: less than test_accuracy")
    return found + _right(record)


def _right(record: Record) -> list[str]:
    """Compare the accuracy with the images that are said to be classified correctly, if any are."""
    text, images = record["metrics"].get("test_right"), record["config"]["dataset"]["test_examples"]
    if text is None:
        return []
    try:
        right = int.from_bytes(bits.unpack(text, images), "big").bit_count()
    except ValueError as error:
        return [str(error)]
    claimed = round(record["metrics"]["test_accuracy"] * images)
    return [f"test_right: {right} images are right, the accuracy is {claimed} of {images}"] if right != claimed else []


def _loss(record: Record) -> list[str]:
    loss, accuracy = record["metrics"]["test_loss"], record["metrics"]["test_accuracy"]
    # A wrong answer gives the truth a probability of at most one half, so it costs at least ln 2.
    least = (1 - accuracy) * math.log(2)
    if loss is None or loss < least * 0.999:
        return [f"test_loss: {loss}, but an accuracy of {accuracy} costs at least {least:.4g}"]
    return []


def _curve(record: Record) -> list[str]:
    curve, steps = record["curve"], record["cost"]["steps"]
    if not curve:
        return ["curve: empty, but a run that is done was evaluated"]
    found = []
    places = [point["step"] for point in curve]
    if any(after <= before for before, after in itertools.pairwise(places)) or places[-1] > steps:
        found.append("curve: steps must increase, up to the last step of the run")
    progress = [-1.0 if point["progress"] is None else point["progress"] for point in curve]
    if progress != sorted(progress) or progress[0] < 0 or progress[-1] > 1 + 1e-9:
        found.append("curve: progress must not decrease and must stay within 0 and 1")
    if progress[-1] < 0.999:
        found.append(f"curve: it ends at progress {progress[-1]:g}, before the run did")
    if curve[-1]["val_accuracy"] != record["metrics"]["val_accuracy"]:
        found.append(
            f"val_accuracy: {record['metrics']['val_accuracy']}, but the curve ends with {curve[-1]['val_accuracy']}"
        )
    return found


def _plausible(record: Record) -> list[str]:
    """Compare the test accuracy with the last validation: the same weights on other images that were not trained on."""
    data, test = record["config"]["dataset"], record["metrics"]["test_accuracy"]
    last = record["curve"][-1]["val_accuracy"] if record["curve"] else None
    if last is None:
        return ["curve: the last point has no validation accuracy"]
    share = min(max((test + last) / 2, 0.01), 0.99)
    error = math.sqrt(share * (1 - share) * (1 / data["test_examples"] + 1 / data["val_examples"]))
    allowed = _SHIFT + _SIGMAS * error
    if abs(test - last) > allowed:
        return [f"test_accuracy: {test:.4f} is implausible after a curve that ends at {last:.4f} (± {allowed:.4f})"]
    return []


def _speed(record: Record) -> list[str]:
    gpu, seconds = record["provenance"]["gpu"], record["cost"]["seconds"]["train"]
    if not seconds:
        return []  # `harness.audit.submission` refuses that already
    fastest = _FASTEST["gpu"] * max(gpu["count"], 1) if gpu else _FASTEST["cpu"]
    rate = record["cost"]["train_flops"] / seconds
    if rate > fastest:
        return [f"seconds.train: {seconds:g} s would be {rate:.2g} FLOP/s, faster than any hardware"]
    return []
