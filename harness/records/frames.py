"""Records as tidy pandas frames; needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, unknown
from harness.records import metrics
from harness.records.folder import load_files
from harness.records.record import Record

if TYPE_CHECKING:
    import pandas as pd

    Columns = Mapping[str, str]

#: Groups whose names are clear without that of the group.
_PLAIN = ("metrics", "cost")

#: What tells the runs of a long frame apart; ``key`` joins it with the frame of runs.
_RUN = {
    "key": "str",
    "method": "str",
    "dataset": "str",
    "model": "str",
    "sparsity": "float64",
    "budget.kind": "str",
    "budget.amount": "float64",
    "seed": "int64",
}

_CURVES = {
    "step": "int64",
    "progress": "float64",
    "train_loss": "float64",
    "val_accuracy": "float64",
    "val_score": "float64",
    "density": "float64",
    "lr": "float64",
}
_LAYERS = {"layer": "str", "weights": "Int64", "active": "Int64", "density": "float64", "active_neurons": "Int64"}
_EVENTS = {
    "event": "int64",
    "step": "int64",
    "dense_gradient": "bool",
    "layer": "str",
    "weights": "Int64",
    "active": "int64",
    "gradient": "int64",
    "density": "float64",
}


def load(folder: str | Path = "results", what: str = "runs") -> pd.DataFrame:
    """Read a folder of records into a tidy frame; needs no torch.

    ``"runs"`` has a row for each run, whatever became of it. Columns are the record's names: ``method``, ``sparsity``
    (the requested one), ``seed``, ``status``; those of its metrics and costs (``test_accuracy``, ``train_flops``,
    ``seconds.total``), but ``metrics.sparsity`` for the measured sparsity; and with the name of their group all others
    (``budget.kind``, ``provenance.git_commit``, ``config.recipe.lr``). Accuracies and densities are shares from 0 to 1,
    costs are FLOPs, seconds, bytes and joules, an unknown value is missing. Whatever a run's task is compared by is in
    ``metric`` (its name, such as ``accuracy`` or ``bits_per_byte``), ``higher`` (whether more of it is better),
    ``score`` (on the test set) and ``val_score``. Lists and values of single layers are in the other frames and in the
    record, whose name is in the column ``file``.

    The other frames are long. Each row starts with the ``key`` of its run, which is also a column of the runs, its
    ``method``, ``dataset``, ``model``, ``sparsity``, ``budget.kind``, ``budget.amount`` and ``seed``. They go on with

    - ``"curves"``, a row for each validation: ``step`` (optimiser steps so far), ``progress`` (share of the budget that
      is spent), ``train_loss`` (mean since the validation before), ``val_accuracy``, ``val_score`` (the metric of
      the task, whatever it is), ``density`` (share of the maskable weights that are active) and ``lr``;
    - ``"layers"``, a row for each masked layer at the end of training: ``layer`` (name of the weight), ``weights`` (how
      many it has), ``active`` (how many the masks keep), ``density`` (active / weights) and ``active_neurons`` (neurons
      with an active weight, of runs with a constant fan-in);
    - ``"events"``, a row for each masked layer at the start and after each change of the masks: ``event`` (0 is the
      start), ``step``, ``dense_gradient`` (whether the event computed the gradients of all weights), ``layer``,
      ``weights``, ``active``, ``gradient`` (weights whose gradient is computed in the steps that follow) and
      ``density``.

    Args:
        folder: A folder of records, or one that holds a folder ``records``.
        what: ``"runs"``, ``"curves"``, ``"layers"`` or ``"events"``.

    Returns:
        The frame; ``frame.attrs["problems"]`` names the files that are not records, each with the reason.

    Raises:
        UsageError: There is no such folder, or no such frame.
    """
    import pandas as pd

    if what not in FRAMES:
        raise unknown("frame", what, FRAMES)
    place = Path(folder)
    if not place.is_dir():
        raise UsageError(f"{folder} is not a folder")
    inner = place / "records"
    records, problems = load_files(inner if inner.is_dir() else place)
    if what == "runs":
        frame = _countable(pd.DataFrame([{**_run(record), "file": name} for name, record in records.items()]))
    else:
        rows, columns = _LONG[what]
        frame = _long(records.values(), rows, columns)
    frame.attrs["problems"] = [f"{problem.file}: {problem.reason}" for problem in problems]
    return frame


def _countable(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn counts beyond 64 bits, as FLOPs may be, into floating-point numbers; pandas would not take their mean."""
    from pandas.api.types import is_object_dtype

    for name in frame.columns:
        if is_object_dtype(frame[name]) and {type(value) for value in frame[name].dropna()} == {int}:
            frame[name] = frame[name].astype("float64")
    return frame


def _run(record: Record) -> dict[str, Any]:
    """Return the columns of a run; ``sparsity`` is the requested one, ``metrics.sparsity`` the measured one."""
    row = dict(_flat(record))
    for name in list(row):
        group, _, last = name.partition(".")
        if group in _PLAIN and last not in row:
            row[last] = row.pop(name)
    metric = metrics.of(record)
    scores = {"score": metrics.test(record), "val_score": metrics.validation(record["metrics"])}
    return row | {"metric": metric.name, "higher": metric.higher, **scores}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the single values of nested dictionaries under dotted names."""
    for name, value in values.items():
        if name in ("layer_density", "active_neurons"):  # null where there was nothing to count
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value


def _long(
    records: Iterable[Record], rows: Callable[[Record], Iterable[Mapping[str, Any]]], columns: Columns
) -> pd.DataFrame:
    """Return a frame with these columns after those of the run, and these types even if it is empty."""
    import pandas as pd

    found = [{**_named(record), **row} for record in records for row in rows(record)]
    types = {**_RUN, **columns}
    return pd.DataFrame(found, columns=list(types)).astype(types)


def _named(record: Record) -> dict[str, Any]:
    budget = {f"budget.{name}": record["budget"][name] for name in ("kind", "amount")}
    return {name: budget[name] if name in budget else record[name] for name in _RUN}


def _curve(record: Record) -> Iterable[Mapping[str, Any]]:
    return (
        {name: point.get(name) for name in _CURVES} | {"val_score": metrics.validation(point)}
        for point in record["curve"]
    )


def _layers(record: Record) -> Iterator[dict[str, Any]]:
    sizes, neurons = _sizes(record), record["metrics"].get("active_neurons") or {}
    for name, density in (record["metrics"]["layer_density"] or {}).items():
        weights = sizes.get(name)
        yield {
            "layer": name,
            "weights": weights,
            "active": None if weights is None or density is None else min(round(density * weights), weights),
            "density": density,
            "active_neurons": neurons.get(name),
        }


def _events(record: Record) -> Iterator[dict[str, Any]]:
    sizes = _sizes(record)
    for number, event in enumerate(record["topology"]):
        active = event["active"]
        names: list[str | None] = list(sizes) if len(sizes) == len(active) else [None] * len(active)
        for name, kept, gradient in zip(names, active, event.get("gradient", active), strict=False):
            weights = None if name is None else sizes[name]
            yield {
                "event": number,
                "step": event["step"],
                "dense_gradient": event["dense_gradient"],
                "layer": name,
                "weights": weights,
                "active": kept,
                "gradient": gradient,
                "density": kept / weights if weights else None,
            }


def _sizes(record: Record) -> dict[str, int]:
    """Return how many weights each masked layer has, in model order; nothing where a record does not say."""
    layers = record["config"].get("layers")
    try:
        return {str(layer["name"]): int(layer["weights"]) for layer in layers or ()}
    except (TypeError, KeyError, ValueError, OverflowError):  # the config of a record may hold anything
        return {}


_LONG: dict[str, tuple[Callable[[Record], Iterable[Mapping[str, Any]]], dict[str, str]]] = {
    "curves": (_curve, _CURVES),
    "layers": (_layers, _LAYERS),
    "events": (_events, _EVENTS),
}

FRAMES = ("runs", *_LONG)
"""The frames that `load` makes."""
