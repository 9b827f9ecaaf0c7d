"""The other records of a folder, indexed once: a record is checked against them too."""

import json
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any, NamedTuple

from harness.records import Record, identity, metrics
from harness.records.identity import canonical

SEEDS = 3
"""A submission shows each method, sparsity and task with at least this many seeds, whatever became of them."""

_HEAD = ("method", "dataset", "model", "sparsity", "runner")

_BAD_CONFIG = (AttributeError, KeyError, TypeError, ValueError)

Row = tuple[str, ...]
_Net = tuple[int, ...]
"""Maskable weights of a full net, its dense forward FLOPs, and those of a training sample."""
_Data = tuple[str, str]
"""A data set: its name and fingerprint."""
_Measured = tuple[tuple[str, str], ...]
"""The task and what describes its metric, by name, as text."""


_Layers = str
"""What a config says of a net's masked layers and of the FLOPs of the rest, as text."""


class Entry(NamedTuple):
    """What its neighbours need to know of a record.

    Attributes:
        key: Its key.
        row: What runs that differ only in their seed have in common.
        seed: Its seed.
        done: Whether the run is done.
        genuine: Whether name and head of the file are what its config says. A copy under another name is refused for
            that; it does not cause the refusal of the record that it was copied from.
        net: What the dense costs of a full net depend on.
        full: The costs of a full net, if it is one.
        reference: Those of the full net that a narrower one says it is compared with, if it does.
        data: Its data set.
        measured: Its task and metric.
        same: What the layers of its net follow from.
        layers: The layers of its net.
    """

    key: str
    row: Row
    seed: int
    done: bool
    genuine: bool
    net: str
    full: _Net | None
    reference: _Net | None
    data: _Data | None
    measured: _Measured
    same: str | None
    layers: _Layers


def entry(file: str, record: Record, *, genuine: bool) -> Entry:
    """Return what its neighbours need to know of a record that keeps its schema."""
    full = None
    if genuine and record["status"] == "done" and _is_full(record):
        with suppress(*_BAD_CONFIG):  # which is refused for itself
            full = _full(record)
    return Entry(
        key=record["key"],
        row=_row(file, record),
        seed=record["seed"],
        done=record["status"] == "done",
        genuine=genuine,
        net=_net(record),
        full=full,
        reference=_reference(record),
        data=_data(record),
        measured=_measured(record),
        same=_same_net(record),
        layers=_layers(record),
    )


class Neighbours:
    """The keys, rows and seeds of the records of one folder."""

    def __init__(self) -> None:
        """Begin with none."""
        self._entries: dict[str, Entry] = {}
        self._files: dict[str, list[str]] = defaultdict(list)
        self._seeds: dict[Row, set[int]] = defaultdict(set)
        self._nets: dict[str, set[_Net]] = defaultdict(set)
        self._measured: dict[_Data, Counter[_Measured]] = defaultdict(Counter)
        self._layers: dict[str, Counter[_Layers]] = defaultdict(Counter)

    def add(self, file: str, new: Entry) -> None:
        """Take in what is known of a record by the name of its file, different for each."""
        self._entries[file] = new
        self._files[new.key].append(file)
        self._seeds[new.row].add(new.seed)
        if new.genuine and new.same and new.done:
            self._layers[new.same][new.layers] += 1
        if new.genuine and new.data and new.measured:
            self._measured[new.data][new.measured] += 1
        if new.full:
            self._nets[new.net].add(new.full)

    def refusals(self, file: str) -> list[str]:
        """Return what the neighbours of a record say against it; nothing about a file that was not added."""
        if file not in self._entries:
            return []
        own = self._entries[file]
        found = []
        others = [other for other in self._files[own.key] if other != file]
        if own.genuine:
            others = [other for other in others if self._entries[other].genuine]
        if others:
            found.append(f"key: {others[0]} has the same key {own.key}; a run has one result")
        if len(seeds := self._seeds[own.row]) < SEEDS:
            shown = ", ".join(map(str, sorted(seeds)))
            found.append(f"seeds: only {shown}; a submission has at least {SEEDS}, including those that failed")
        if own.reference and self._nets[own.net] and own.reference not in self._nets[own.net]:
            full = " or ".join(map(_words, sorted(self._nets[own.net])))
            found.append(f"reference: {_words(own.reference)}; other records have {full}")
        return found + self._other_layers(own.same, own.layers) + self._other_metrics(own.data, own.measured)

    def _other_layers(self, same: str | None, layers: _Layers) -> list[str]:
        """Refuse layers, or FLOPs of the rest, that most records of the same net do not have; if none has most, all."""
        known = self._layers[same] if same else Counter()
        others = sorted(other for other in known if other != layers and known[other] >= known[layers])
        if not others or layers not in known:
            return []
        ours, theirs = (json.loads(text) for text in (layers, others[0]))
        name = next(name for name in theirs if ours[name] != theirs[name])
        told = [each[name] for each in (ours, theirs)]
        if all(isinstance(each, list) for each in told) and len(told[0]) == len(told[1]):
            place = next(place for place, pair in enumerate(zip(*told, strict=True)) if pair[0] != pair[1])
            name, told = f"layers[{place}]", [each[place] for each in told]
        return [f"config.{name}: {told[0]}; other records of the same net have {told[1]}"]

    def _other_metrics(self, data: _Data | None, measured: _Measured) -> list[str]:
        """Refuse a task or a metric that most records of the same data do not have; if none has the most, all."""
        known = self._measured[data] if data else Counter()
        others = sorted(other for other in known if other != measured and known[other] >= known[measured])
        if not others:
            return []
        ours, theirs = dict(measured), dict(others[0])
        names = [name for name in theirs if ours.get(name) != theirs[name]]
        told = [", ".join(f"{name} {each.get(name)}" for name in names) for each in (ours, theirs)]
        return [f"dataset.metric: {told[0]}; other records of the same data have {told[1]}"]


def _row(file: str, record: Record) -> Row:
    """Return what runs that differ only in their seed have in common."""
    try:
        shared = identity.row(record["config"])
    except _BAD_CONFIG:
        shared = file  # a config without its parts is in no row but its own
    return (*(str(record[name]) for name in _HEAD), shared)


def _net(record: Record) -> str:
    """Return what the dense costs of a full net depend on: model, data set, and layers that are kept dense."""
    dense, model = record["config"].get("dense_layers") or [], record["config"].get("model")
    options = sorted(model.items()) if isinstance(model, dict) else []
    own = [option for option in options if option[0] not in ("name", "width")]
    return f"{record['model']} {own!r} on {record['dataset']} but {dense!r}"


def _same_net(record: Record) -> str | None:
    """Return what the layers of a net follow from: its model, its source, the inputs and the layers kept dense."""
    config = record["config"]
    model, data = config.get("model"), config.get("dataset")
    if not isinstance(model, dict) or not isinstance(data, dict):
        return None
    options = {**identity.MODEL_LEFT_OUT, **model}
    inputs = [data.get(name) for name in ("name", "shape", "classes")]
    return canonical([options, record["code"]["model"], inputs, config.get("dense_layers") or []])


def _layers(record: Record) -> _Layers:
    names = ("layers", "fixed_flops", "train_fixed_flops")
    return canonical({name: record["config"].get(name) for name in names})


def _data(record: Record) -> _Data | None:
    """Return which data a record is of: of a plug-in, the fingerprint is of its task's source too."""
    fingerprint = record["provenance"]["data_sha256"]
    return (record["dataset"], fingerprint) if fingerprint else None


def _measured(record: Record) -> _Measured:
    """Return all that a record says of its task and metric; nothing if that cannot be read."""
    try:
        dataset = record["config"].get("dataset") or {}
        described = {"task": metrics.task_of(dataset), **metrics.of_dataset(dataset).described()}
    except _BAD_CONFIG:
        return ()  # which is refused for itself
    return tuple((name, repr(value)) for name, value in described.items())


def _full(record: Record) -> _Net:
    """Return what a full net has, from a record of it."""
    config = record["config"]
    products = sum(layer.get("train_uses", layer["uses"]) * layer["weights"] for layer in config["layers"])
    training = 3 * (2 * products + config.get("train_fixed_flops", config["fixed_flops"]))
    return record["metrics"]["maskable"], record["cost"]["dense_forward_flops"], training


def _words(net: _Net) -> str:
    return "{} weights, {} FLOPs forward and {} in training".format(*net)


def _reference(record: Record) -> _Net | None:
    """Return the full net that a narrower one says it is compared with, if it does; `recount` refuses what is none."""
    full = record["config"].get("reference")
    names = ("maskable", "forward_flops", "training_flops")
    counts: list[Any] = [full.get(name) for name in names] if isinstance(full, dict) else []
    return tuple(counts) if counts and all(type(count) is int for count in counts) else None


def _is_full(record: Record) -> bool:
    model = record["config"].get("model")
    return isinstance(model, dict) and model.get("width", 1) == 1 and "reference" not in record["config"]
