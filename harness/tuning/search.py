"""A tuning that is to be done: its trials as runs, and what their records make of them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from harness.config import RunConfig
from harness.errors import UsageError
from harness.records import Record, cell_name, reached
from harness.records.identity import canonical
from harness.records.metrics import validation
from harness.tuning.apply import task, values, with_settings
from harness.tuning.result import SEED, Trial, Tuning, named
from harness.tuning.space import Settings, Space, declared, draw


class Keyed(Protocol):
    """A planned run: `harness.plan.planned.Planned`."""

    @property
    def run(self) -> RunConfig:
        """Its settings."""

    @property
    def key(self) -> str:
        """Its key."""


@dataclass(frozen=True)
class Search:
    """The trials of one method on one task.

    Attributes:
        run: The run without tuning, settled.
        name: Of the space.
        space: Its ranges for the run.
        count: How many trials.
    """

    run: RunConfig
    name: str
    space: Space
    count: int

    @cached_property
    def settings(self) -> list[Settings]:
        """What each trial tries; some may be equal."""
        return draw(self.space, named(task(self.run)), self.count)

    @cached_property
    def folder(self) -> Path:
        """Where trials are trained and their records lie: the same for any number of them."""
        run = self.run
        plain = [task(run), run.sparsity, {name: one.plain() for name, one in self.space.items()}]
        digest = hashlib.sha256(canonical(plain).encode()).hexdigest()[:8]
        cell = cell_name(run.dataset.name, run.model.name, run.method.name, run.sparsity, SEED)
        return Path(run.output) / "tuning" / f"{cell.rpartition('-')[0]}-{digest}"

    @property
    def path(self) -> Path:
        """The file that says what came of it."""
        return self.folder / f"trials_{self.count}.json"

    def runs(self) -> list[RunConfig]:
        """Return the trials as runs, which leave the test set alone.

        Raises:
            UsageError: The space gives a value that the method or the recipe does not allow.
        """
        base = replace(self.run, seed=SEED, test=False, output=str(self.folder))
        found = []
        for number, settings in enumerate(self.settings, 1):
            try:
                found.append(with_settings(base, settings))
            except UsageError as error:
                raise UsageError(f"space {self.name}: trial {number} of {self.run.method.name}: {error}") from None
        return found

    def keys(self, planned: Iterable[Keyed]) -> list[str]:
        """Return the key of each trial.

        Args:
            planned: What `runs` were planned as, each once; others may be among them.
        """
        mine = [one for one in planned if one.run.output == str(self.folder)]
        known = {canonical(values(one.run, self.space)): one.key for one in mine}
        return [known[canonical(settings)] for settings in self.settings]

    def result(self, records: Sequence[Record]) -> Tuning:
        """Return what the trials gave.

        Args:
            records: The record of each trial, settled.
        """
        trials = tuple(_trial(*pair) for pair in zip(self.settings, records, strict=True))
        return Tuning(task(self.run), self.run.sparsity, self.name, self.space, trials)


def search(run: RunConfig, space: str, count: int) -> Search:
    """Prepare a tuning.

    Args:
        run: The run without tuning, settled.
        space: A name in ``benchmarks/tuning``, or a file.
        count: How many trials.

    Raises:
        UsageError: The space is unknown or malformed, or the run has no validation split.
    """
    if not run.dataset.val_examples:
        raise UsageError("dataset.val_examples=0: trials are scored on the validation split; hold out at least 1")
    return Search(run, space, declared(space, run), count)


def _trial(settings: Settings, record: Record) -> Trial:
    done = record["status"] == "done"
    metrics = record["metrics"]
    return Trial(
        settings,
        record["key"],
        record["status"],
        validation(metrics) if done else None,
        metrics["sparsity"] if done else None,
        done and not (reached.is_result(record["config"]) and reached.falls_short(record)),
        record["cost"]["train_flops"],
    )
