"""What the class of a task says of itself: refused when it is registered, long before anything is trained with it."""

import math
import re
from collections.abc import Collection
from numbers import Real
from typing import Any

from harness.records.metrics import BUILT_IN, Metric
from harness.vocabulary import VALIDATIONS

_WORD, _LABEL, _DIGITS = 64, 100, 10


def check(task: Any, kinds: Collection[str], usual: Metric) -> None:
    """Check name, metric and settings of a task.

    Args:
        task: A subclass of `harness.tasks.base.Task`.
        kinds: What inputs can be.
        usual: The metric of a task that names none, whose value is the loss.

    Raises:
        TypeError: Something is of another type than it must be.
        ValueError: A value is not allowed.
    """
    said = f"task {str(task.name)!r:.80}"
    if not isinstance(task.name, str) or not re.fullmatch(rf"[\w.-]{{1,{_WORD}}}", task.name):
        raise ValueError(f"{said}: a name is one word of at most {_WORD} letters, digits, '_', '.' and '-'")
    if task.kind not in kinds:
        raise TypeError(f"{said}: kind {task.kind!r:.80} is not one of {', '.join(kinds)}")
    if not isinstance(task.metric, Metric):
        raise TypeError(f"{said}: metric is {task.metric!r:.80}, not a sparsebench.Metric")
    if why := _objection(task.metric):
        raise ValueError(f"{said}: metric.{why}")
    for known in (usual, *BUILT_IN.values()):
        # A record with such a name and the other direction is refused by `harness.audit.scores`.
        if task.metric.name == known.name and task.metric.higher != known.higher:
            other = f"of a metric named {known.name}, {known.better} is better: give it another name"
            raise ValueError(f"{said}: metric.higher is {task.metric.higher}, but {other}")
    if task.validation not in VALIDATIONS or task.validation == "default":
        allowed = ", ".join(name for name in VALIDATIONS if name != "default")
        raise ValueError(f"{said}: validation {task.validation!r:.80} is not one of {allowed}")
    if task.causal and task.kind != "tokens":
        raise ValueError(f"{said}: causal is of tokens, and its kind is {task.kind}")
    for name in ("classes", "tokens"):
        value = getattr(task, name)
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(f"{said}: {name} is {value!r:.80}; allowed are None and integers from 1")


def _objection(metric: Metric) -> str | None:
    """Say what a metric must not be, if it is so."""
    name, label, digits = metric.name, metric.label, metric.digits
    plain = isinstance(label, str) and label.isprintable() and 0 < len(label.strip()) <= len(label) <= _LABEL
    ends = {"lowest": metric.lowest, "highest": metric.highest}
    rules = (
        ("name", name, _is_word(name), f"one word of at most {_WORD} letters, digits and '_'"),
        ("label", label, plain, f"one line of at most {_LABEL} characters"),
        ("higher", metric.higher, type(metric.higher) is bool, "True and False"),
        ("scale", metric.scale, _finite(metric.scale) and metric.scale > 0, "numbers above 0"),
        ("digits", digits, type(digits) is int and 0 <= digits <= _DIGITS, f"integers from 0 to {_DIGITS}"),
        *((which, end, end is None or _finite(end), "None and finite numbers") for which, end in ends.items()),
    )
    for which, value, fits, allowed in rules:
        if not fits:
            return f"{which} is {value!r:.80}; allowed: {allowed}"
    low, high = ends.values()
    return None if low is None or high is None or low < high else f"lowest is {low:g}, not below its highest, {high:g}"


def _is_word(name: Any) -> bool:
    return isinstance(name, str) and name.isidentifier() and len(name) <= _WORD


def _finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
