"""The topology of a record against what its method declares: events, densities, layers and charged gradients."""

import itertools
from math import prod
from typing import Any

from harness.audit import declared, schedule
from harness.records import Record, identity
from methods import Method
from methods.base import overrides
from methods.parts.patterns import Pattern
from methods.registry import is_own

# Weights by which a total may miss that of a declared density, rounded (`methods.parts.distributions`).
_ROUNDING = 1


def refusals(record: Record) -> list[str]:
    """Return where the topology is not what the settings of the run ask for.

    Nothing of a method from a plug-in, whose word has to do. Under a budget of FLOPs or seconds the steps of events
    depend on the run, and are not compared; where sparsity is a result, nor are the densities that events leave.

    Args:
        record: A record whose topology has one number for each layer.

    Raises:
        KeyError, TypeError, ValueError, UsageError: The config lacks a part, or one is not what it can be.
    """
    method = declared.built(record["config"]["method"])
    if method is None or not is_own(method):
        return []
    check = _Check(record, method)
    return (check.start() or check.events()) + check.gradients()


class _Check:
    """One record beside its method."""

    def __init__(self, record: Record, method: Method) -> None:
        config = record["config"]
        self.record, self.method, self.target = record, method, 1 - config["sparsity"]
        self.entries: list[dict[str, Any]] = record["topology"]
        self.shapes = [layer["shape"] for layer in config["layers"]]
        self.sizes = [prod(shape) for shape in self.shapes]
        pattern = method.pattern(self.target)
        self.slack = _ROUNDING
        if pattern is not None and pattern.kind == "fan_in":
            self.slack = max(_ROUNDING, Pattern("fan_in").tolerance(self.shapes, round(self.target * sum(self.sizes))))
        # What a later version of the results changed, an older record may have otherwise.
        version = identity.results_version(identity.settings(config))
        self.older = int(record["code"]["results"]) < int(version)
        # Whether counts of layers are the same whatever the weights are.
        stated = "prunes_globally" in vars(type(method))
        self.fixed = not (method.prunes_globally or (overrides(method, "start") and not stated))

    def start(self) -> list[str]:
        """Compare the initial masks."""
        density = self.method.initial_density(self.target)
        return self._counts(self.entries[0], density, None) if self.method.exact or density == 1 else []

    def events(self) -> list[str]:
        """Compare the events, where the budget says on which steps they fall."""
        entries, name = self.entries[1:], self.method.name
        if entries and self._finishes(entries[-1]):
            entries = entries[:-1]
        if not overrides(self.method, "event"):
            return [f"topology: an event at step {entries[0]['step']}, but {name} has none"] if entries else []
        walk = schedule.way(self.record, self.method)
        if walk is None or (self.older and walk.schedule.rewinding):
            return []
        before = self.entries[0]
        for entry, expected in itertools.zip_longest(entries, schedule.events(self.record, walk)):
            found = self._event(entry, expected)
            if not found and self.method.exact:
                found = self._counts(entry, expected.density, before)
            if found:
                return found
            before = entry
        return []

    def _finishes(self, last: dict[str, Any]) -> bool:
        """Return whether an entry is that of the masks which the method sets after the last step."""
        at_end = last["step"] == self.record["cost"]["steps"] and not last["dense_gradient"]
        return at_end and self.target < 1 and overrides(self.method, "finish")

    def _event(self, entry: dict[str, Any] | None, expected: schedule.Expected | None) -> list[str]:
        """Compare an event with the one that the settings ask for in its place; None where there is none."""
        name = self.method.name
        if entry is None or expected is None or entry["step"] != expected.step:
            given = f"an event at step {entry['step']}" if entry else "no more events"
            due = f"its next at {expected.step}" if expected else "no more"
            return [f"topology: {given}, but {name} has {due}"]
        told, wanted = entry["dense_gradient"], expected.dense_gradient
        return (
            [] if told == wanted else [f"topology: dense_gradient {told} at step {entry['step']}, {name} has {wanted}"]
        )

    def gradients(self) -> list[str]:
        """Compare the weights whose gradient is charged."""
        for entry in self.entries:
            counts = self.method.gradient_counts(self.shapes, entry["active"], self.target)
            wanted = None if counts is None or list(counts) == entry["active"] else list(counts)
            if entry.get("gradient") != wanted:
                given, told = entry.get("gradient", "missing"), wanted or "none but that of the active weights"
                return [f"topology: gradient {given} at step {entry['step']}, {self.method.name} has {told}"]
        return []

    def _counts(self, entry: dict[str, Any], density: float | None, before: dict[str, Any] | None) -> list[str]:
        """Compare the active weights with a density, or with those of before where it does not change."""
        active, name, at = entry["active"], self.method.name, f"at step {entry['step']}"
        if self.fixed and not (self.older and self.method.distribution == "uniform"):
            wanted = self._wanted(density, before)
            return [] if active == wanted else [f"topology: {active} active weights {at}, {name} has {wanted}"]
        slack, total = self.slack, sum(before["active"]) if before else 0
        if density is not None:
            total = round(density * sum(self.sizes))
        elif slack > _ROUNDING:
            slack *= 2  # both may miss the target
        else:
            slack = 0
        if abs(sum(active) - total) <= slack:
            return []
        return [f"topology: {sum(active)} active weights {at}, {name} has {total} there"]

    def _wanted(self, density: float | None, before: dict[str, Any] | None) -> list[int]:
        then = before["active"] if before else None
        if density is None:
            return list(then or ())
        return list(self.sizes) if density == 1 else self.method.layer_counts(self.shapes, density, then)
