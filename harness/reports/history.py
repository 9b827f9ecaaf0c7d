"""What a record's topology says: layers, their densities over the steps, and events with what they cost."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from harness.audit.recount import recount
from harness.records import Record
from harness.reports.page import Series

NOT_A_RUN = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading a config raises that no run of ours has: a config may hold anything."""


class Layer(NamedTuple):
    """A masked layer.

    Attributes:
        name: Of its weight.
        shape: Of its weight.
        weights: How many.
        start: Its density at the start; None if unknown.
        end: Its density at the end; None if unknown.
        over_time: Its density in percent; None if unknown.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    start: float | None
    end: float | None
    over_time: Series | None


class Events(NamedTuple):
    """Events of one kind.

    Attributes:
        change: What they did to the number of active weights.
        dense_gradient: Whether they read the gradients of all weights.
        steps: At which steps.
        flops: What reading these gradients cost beyond an ordinary step; None if it cannot be recounted.
    """

    change: str
    dense_gradient: bool
    steps: tuple[int, ...]
    flops: int | None


def layers(record: Record) -> list[Layer]:
    """Return the layers of a run, in model order; those that its densities name if the config does not list them."""
    ending = record["metrics"]["layer_density"] or {}
    try:
        known = [(str(each["name"]), tuple(each["shape"]), int(each["weights"])) for each in record["config"]["layers"]]
    except NOT_A_RUN:
        known = []
    if not known or any(weights < 1 for _, _, weights in known):
        return [Layer(name, (), 0, None, end, None) for name, end in ending.items()]
    topology = _topology(record, len(known))
    found = []
    for place, (name, shape, weights) in enumerate(known):
        values = [100 * entry["active"][place] / weights for entry in topology]
        start, end = (values[0] / 100, values[-1] / 100) if values else (None, None)
        end = ending.get(name, end)
        found.append(Layer(name, shape, weights, start, end, _over_time(record, topology, values)))
    return found


def _over_time(record: Record, topology: Sequence[dict[str, Any]], values: list[float]) -> Series | None:
    if not values:
        return None
    steps = [entry["step"] for entry in topology]
    return Series("density %", steps, values, max(record["cost"]["steps"] or 0, steps[-1]), held=True, floor=0.0)


def _topology(record: Record, count: int) -> list[dict[str, Any]]:
    """Return the topology of a record, or nothing if it does not fit its layers."""
    entries: list[dict[str, Any]] = record["topology"]
    rising = all(before["step"] < after["step"] for before, after in pairwise(entries))
    return entries if rising and all(len(entry["active"]) == count for entry in entries) else []


def events(record: Record) -> list[Events]:
    """Return the events of a run by kind, in the order in which each kind first occurs.

    An event is a topology entry after the first. What its gradients cost is the checker's recount of the run with
    them less that without them, so that it is exact.
    """
    steps: dict[tuple[str, bool], list[int]] = {}
    for kind, entry in _kinds(record):
        steps.setdefault(kind, []).append(entry["step"])
    return [Events(*kind, tuple(found), _cost(record, kind)) for kind, found in steps.items()]


def _kinds(record: Record) -> Iterator[tuple[tuple[str, bool], dict[str, Any]]]:
    for before, after in pairwise(record["topology"]):
        fewer, now = sum(before["active"]), sum(after["active"])
        change = "as many weights as before" if now == fewer else "fewer weights" if now < fewer else "more weights"
        yield (change, after["dense_gradient"]), after


def _cost(record: Record, kind: tuple[str, bool]) -> int | None:
    if not kind[1]:
        return 0
    kept = [entry for found, entry in _kinds(record) if found == kind]
    places = {id(entry) for entry in kept}

    def with_gradients(read: bool) -> Record:
        entries = [{**entry, "dense_gradient": read and id(entry) in places} for entry in record["topology"]]
        return {**record, "topology": entries}

    try:
        return recount(with_gradients(True)).train_flops - recount(with_gradients(False)).train_flops
    except NOT_A_RUN:
        return None


def curve(record: Record, name: str, label: str, factor: float = 1.0, color: int = 0) -> Series | None:
    """Return one column of a record's curve; None if nothing of it is known.

    Args:
        record: As `harness.records.load` returns it.
        name: The column, e.g. ``density``.
        label: What to call it.
        factor: What values are multiplied by.
        color: See `Series`.
    """
    points = {point["step"]: factor * point[name] for point in record["curve"] if point.get(name) is not None}
    if not points:
        return None
    steps = sorted(points)
    return Series(label, steps, [points[step] for step in steps], steps[-1], held=name == "density", color=color)
