"""The short runs of the kit, and what they leave, to be compared to the bit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness import generators
from harness.config import RunConfig, from_dict, to_dict
from harness.errors import UsageError
from harness.plan.planned import Planned
from harness.records import Record, empty
from harness.tasks.data import Data
from harness.tasks.inputs import load_data
from harness.training import report
from harness.training.prepare import Prepared, prepare
from harness.training.trainer import DivergedError, Trainer
from harness.training.worker import settle_process

Make = Callable[[RunConfig, Prepared, Data], Trainer]
_NAMED = 3  # differences that are named


@dataclass
class Watched:
    """A run whose masks were counted before and after every step.

    Attributes:
        planned: As it was planned.
        trainer: At the end.
        record: What it would publish.
        escaped: The first weights or counts that were not as they must be, in a line; None if all were.
    """

    planned: Planned
    trainer: Trainer
    record: Record
    escaped: str | None


@contextmanager
def settled(run: RunConfig) -> Iterator[None]:
    """Give this process what a run needs, and restore its threads, algorithms and generators afterwards."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only, states = torch.is_deterministic_algorithms_warn_only_enabled(), generators.state_dict("cpu")
    settle_process(run)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        generators.load_state_dict(states)


def begin(planned: Planned, make: Make = Trainer) -> tuple[Trainer, Prepared, Data]:
    """Return a trainer at the start of a run, with a method object of its own, as a new process has."""
    run = from_dict(to_dict(planned.run))
    task, splits = prepare(run), load_data(run)
    return make(run, task, splits), task, splits


def train(trainer: Trainer, until: int | None = None) -> Trainer:
    """Train to the end, or until a number of steps is done; return the trainer.

    Raises:
        UsageError: The loss became NaN or infinite.
    """
    try:
        trainer.train(lambda event: None, lambda: None, lambda: trainer.course.ledger.steps == until)
    except DivergedError as error:
        raise UsageError(f"{error}: try a smaller recipe.lr") from None
    return trainer


def watched(planned: Planned) -> Watched:
    """Train a run and count its masks, and what is outside them, before and after every step."""
    trainer, task, splits = begin(planned)
    found: list[str] = []

    def look() -> bool:
        masks, step = trainer.masks, trainer.course.ledger.steps
        if not found and (counted := masks.counted()) != masks.active:
            found.append(f"after step {step} the masks hold {sum(counted):,} weights, booked are {sum(masks.active):,}")
        if not found and (outside := masks.outside()):
            found.append(f"after step {step} {outside:,} weights or optimiser entries outside the masks are not 0")
        return False

    try:
        trainer.train(lambda event: None, lambda: None, look)
        look()
        plain = to_dict(planned.run)
        record = empty(plain, planned.key, "local", code=planned.identity.code)
        record["config"].update(task.describe())
        report.describe(record, task, trainer)
        report.finish(record, trainer, splits.test)
    except DivergedError as error:
        raise UsageError(f"{error}: try a smaller recipe.lr") from None
    return Watched(planned, trainer, record, found[0] if found else None)


def outcome(state: dict[str, Any]) -> dict[str, Any]:
    """Return all that a run ends with but its times: name by name, tensors as their shape, type and bytes.

    Args:
        state: Of the trainer (`harness.training.trainer.Trainer.state_dict`).
    """
    return dict(_flat({name: part for name, part in state.items() if name != "seconds"}, ""))


def differences(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Name what differs between two results of `outcome`, in one line; None if nothing does."""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more if names else None


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Tensor):
        yield name, (tuple(value.shape), str(value.dtype), value.detach().cpu().contiguous().numpy().tobytes())
    elif isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _flat(part, f"{name}.{key}".removeprefix("."))
    else:
        yield name, value
