"""The course of a run whose budget fixes its steps, worked out again from its settings alone.

Written independently of `harness.budget.course`, which goes step by step while a run trains: events, the ends of rounds
and evaluations are looked up here by bisection, so that thousands of records can be checked.
"""

import bisect
import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from harness.audit import declared, recount
from harness.budget import kinds
from harness.budget.kinds import Reference
from harness.budget.schedule import Schedule
from harness.errors import UsageError
from harness.records import Record, whole_budget
from harness.records.identity import canonical
from methods import Method, Moment

_MOST = 10**6
"""Events, or evaluations, of a pass that are worked out: a record holds each that there was."""


def _require_few(what: str, number: int) -> None:
    if number > _MOST:
        told = f"the settings ask for {number:.3g} {what} of a training"
        raise UsageError(f"{told}, more than the {_MOST:,} of any record")


@dataclass(frozen=True)
class Expected:
    """An event that the settings of a run ask for.

    Attributes:
        step: After which step.
        dense_gradient: Whether it reads the gradients of all weights.
        density: Global density after it; None where it does not change it.
    """

    step: int
    dense_gradient: bool
    density: float | None


@dataclass(frozen=True)
class Way:
    """The steps of a run along its schedule.

    Attributes:
        total: Steps of the run.
        once: Steps of one pass through the schedule, not rounded.
        schedule: Says where it goes back to.
        each: Whether every round has a budget of its own.
    """

    total: int
    once: float
    schedule: Schedule
    each: bool

    @cached_property
    def passes(self) -> list[tuple[int, int]]:
        """The steps before which passes begin, and with which they end."""
        again = self.schedule.rewinding
        rounds = range(1, again.rounds + 1) if again else ()
        ends = [self.first(0, self.total, lambda step: self._located(step)[0], number) for number in rounds]
        return list(itertools.pairwise([0, *(end for end in ends if end < self.total), self.total]))

    def position(self, step: int) -> float:
        """Return the schedule position after a step; after the last one of a round, where the next begins."""
        return self._located(step)[1]

    def events(self, method: Method, target: float) -> Iterator[Expected]:
        """Yield the events of a method, in order.

        Args:
            method: The method.
            target: Density at the end.
        """
        for number, (begin, end) in enumerate(self.passes):
            last = number == len(self.passes) - 1
            steps = {end} if not last else set()
            if method.interval:
                _require_few("events", (end - begin) // method.interval)
                steps |= set(range((begin // method.interval + 1) * method.interval, end, method.interval))
            for mark in method.marks():
                if self.position(begin) < mark:
                    steps |= {self.first(begin, end, self.position, mark)} - {end}
            for step in sorted(steps):
                ends = step == end
                moment = Moment(
                    step=step,
                    position=1.0 if ends else self.position(step),
                    previous=self.position(step - 1),
                    total=self.total,
                    round=number + ends,
                )
                if (event := method.event(moment)) is not None:
                    yield Expected(step, event.dense_gradient, method.density(moment, target))

    def _located(self, step: int) -> tuple[int, float]:
        return self.schedule.locate(step / self.once)

    @staticmethod
    def first(begin: int, end: int, value: Callable[[int], float], least: float) -> int:
        """Return the first step after ``begin`` at which a value that grows is ``least`` or more; ``end`` if none."""
        return bisect.bisect_left(range(end), least, lo=min(begin + 1, end), key=value)


def way(record: Record, method: Method) -> Way | None:
    """Return the way of a run; None where its budget does not fix its steps.

    Raises:
        KeyError, TypeError, UsageError: The config lacks a part, or one is not what it can be.
    """
    config, budget = record["config"], whole_budget(record["config"]["budget"])
    kind = kinds.kind(budget["kind"])
    if not kind.fixes_steps:
        return None
    schedule = Schedule(method.rewinding(1 - config["sparsity"]))
    whole = kind.size(
        budget["amount"], budget["stretch"] * recount.share(config), Reference(recount.schedule_steps(record), 0)
    )
    each = budget["rounds"] == "each"
    return Way(record["cost"]["steps"], whole if each else whole / schedule.length, schedule, each)


def events(record: Record, walk: Way) -> tuple[Expected, ...]:
    """Return the events of a record's method on its way; worked out once for the seeds of a row."""
    return _events(canonical(record["config"]["method"]), 1 - record["config"]["sparsity"], walk)


@lru_cache(maxsize=1024)
def _events(settings: str, target: float, walk: Way) -> tuple[Expected, ...]:
    method = declared.built(json.loads(settings))
    return () if method is None else tuple(walk.events(method, target))


@lru_cache(maxsize=1024)
def evaluations(walk: Way, count: int) -> tuple[tuple[int, float], ...]:
    """Return the steps after which a run is evaluated, with the schedule positions that count for the rate.

    Args:
        walk: Of the run.
        count: Evaluations of a run (``config.evaluations``).
    """
    again, found = walk.schedule.rewinding, []
    if again and not walk.each:
        count = math.ceil(count / (again.rounds + 1))
    _require_few("evaluations", min(count, walk.total))
    for begin, end in walk.passes:
        done = int(walk.position(begin) * count)
        while True:
            step = walk.first(begin, end, lambda step: walk.position(step) * count, done + 1)
            if step >= end:
                break
            found.append((step, walk.position(step)))
            done = int(walk.position(step) * count)
        found.append((end, 1.0))
    return tuple(found)
