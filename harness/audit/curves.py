"""The curve and the rounds of a record against its schedule: which points there are, and what each must say."""

import math

from harness.audit import declared, schedule, scores, settings
from harness.records import Record, metrics
from harness.training.learning_rate import of_recipe
from methods.registry import is_own

# Of a rate or of a share of the budget: what float64 leaves of a few operations.
_ROUNDING = 1e-6


def refusals(record: Record) -> list[str]:
    """Return which points of the curve and which rounds cannot be those of the run.

    Args:
        record: One that is done.

    Raises:
        KeyError, TypeError, ValueError, UsageError: The config lacks a part, or one is not what it can be.
    """
    return [*_whole(record), *(_rounds(record) or _points(record))]


def _whole(record: Record) -> list[str]:
    """Refuse accuracies of the validation split that no number of correct answers gives."""
    examples = record["config"]["dataset"]["val_examples"]
    if metrics.of(record) != metrics.ACCURACY:
        return []
    for part in ("curve", "rounds"):
        for point in record[part]:
            value = point.get("val_accuracy")
            if value is None and examples:
                return [f"{part}: no val_accuracy at step {point['step']}"]
            if value is not None and not scores.is_share(value, examples):
                return [f"{part}: val_accuracy {value} at step {point['step']} is not a multiple of 1/{examples}"]
    return []


def _rounds(record: Record) -> list[str]:
    """Compare the rounds with the curve: each is the point at its end."""
    rounds, method = record["rounds"], declared.built(record["config"]["method"])
    if method is None or not is_own(method):
        return []
    again = method.rewinding(1 - record["config"]["sparsity"])
    times = again.rounds + 1 if again else 0
    if len(rounds) != times:
        return [f"rounds: {len(rounds)}, but {method.name} has {times}"]
    points = {point["step"]: point for point in record["curve"]}
    names = ("density", metrics.field(metrics.of(record), "val"))
    for number, each in enumerate(rounds):
        point = points.get(each["step"])
        if point is None:
            return [f"rounds: {number} ends at step {each['step']}, where the curve has no point"]
        for name, value in (("round", number), *((name, point.get(name)) for name in names)):
            if each.get(name) != value:
                return [f"rounds: {name} of {number} is {each.get(name)}, but should be {value}"]
    return []


def _points(record: Record) -> list[str]:
    """Compare the points with the evaluations that the settings ask for, where the budget fixes the steps."""
    config, curve = record["config"], record["curve"]
    method = declared.built(config["method"])
    walk = schedule.way(record, method) if method is not None and is_own(method) else None
    if walk is None:
        return []
    expected = schedule.evaluations(walk, config.get("evaluations", 20))
    steps, wanted = [point["step"] for point in curve], [step for step, _ in expected]
    if steps != wanted:
        place = next((at for at, pair in enumerate(zip(steps, wanted, strict=False)) if pair[0] != pair[1]), None)
        if place is None:
            return [f"curve: {len(steps)} points, the settings ask for {len(wanted)} evaluations"]
        return [f"curve: a point at step {steps[place]}, the settings ask for an evaluation at {wanted[place]}"]
    recipe = settings.recipe(config)
    for point, (step, position) in zip(curve, expected, strict=True):
        for name, value in (("progress", step / walk.total), ("lr", of_recipe(recipe, position))):
            if point[name] is None or not math.isclose(point[name], value, rel_tol=_ROUNDING, abs_tol=1e-12):
                return [f"curve: {name} {point[name]} at step {step}, the settings give {value:.6g}"]
    return []
