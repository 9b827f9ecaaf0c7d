"""Under which names a record holds what its task measures, and what is wrong with those that it has.

A record has either the names of accuracy or those of any other metric, never both: no reader
could tell which counts.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.records import metrics

OF_ACCURACY = ("test_accuracy", "test_top5", "val_accuracy", "test_right")
"""Of ``metrics``, where networks are compared by their accuracy."""

OF_OTHERS = ("test_score", "val_score", "test_more")
"""Of ``metrics``, where they are compared by anything else."""

_RARE = ("test_right", "test_more")
_METRIC = ("name", "label", "higher", "scale", "digits", "lowest", "highest")


def foreign(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of ``metrics`` that a record of a data set never has.

    Args:
        dataset: The ``dataset`` of its config.
    """
    if metrics.of_dataset(dataset) != metrics.ACCURACY:
        return OF_ACCURACY
    # a task of one's own may be compared by its accuracy and measure more than that
    return OF_OTHERS if metrics.task_of(dataset) == metrics.CLASSIFICATION else OF_OTHERS[:2]


def problems(record: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with how a record names what it measured, as ``place: what is wrong``.

    Args:
        record: One that keeps the schema otherwise.
    """
    dataset = record["config"].get("dataset") or {}
    return list(_of_metric(dataset)) or list(_of_names(record, dataset))


def _of_metric(dataset: Mapping[str, Any]) -> Iterator[str]:
    task, metric = metrics.task_of(dataset), dataset.get("metric")
    if task == metrics.CLASSIFICATION:
        if metric:
            yield "config.dataset.metric: a classification is compared by its accuracy and names no metric"
        return
    if not metric:
        yield f"config.dataset.metric: missing; only the task {metrics.CLASSIFICATION} has none, and this is {task!r}"
        return
    if missing := [name for name in _METRIC if name not in metric]:
        yield f"config.dataset.metric: lacks {', '.join(missing)}"
    elif None not in (lowest := metric["lowest"], highest := metric["highest"]) and not lowest < highest:
        yield f"config.dataset.metric: lowest {lowest:g} is not below highest {highest:g}"


def _of_names(record: Mapping[str, Any], dataset: Mapping[str, Any]) -> Iterator[str]:
    others = foreign(dataset)
    own = [name for name in (OF_OTHERS if others is OF_ACCURACY else OF_ACCURACY) if name not in _RARE]
    of = f"a record of the task {metrics.task_of(dataset)!r}"
    yield from (f"metrics.{name}: missing; {of} has it" for name in own if name not in record["metrics"])
    yield from (f"metrics.{name}: {of} has no such value" for name in others if name in record["metrics"])
    if others is OF_ACCURACY and record.get("reliability") is not None:
        yield f"reliability: {of} has no such group"
    own_value, other = ("val_score", "val_accuracy") if others is OF_ACCURACY else ("val_accuracy", "val_score")
    for group in ("curve", "rounds"):
        for number, entry in enumerate(record[group]):
            if own_value not in entry:
                yield f"{group}.{number}.{own_value}: missing; {of} has it"
            if other in entry:
                yield f"{group}.{number}.{other}: {of} has no such value"
