"""Runs from Python, as the command line starts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness import config
from harness.config import RunConfig
from harness.extras import explained

if TYPE_CHECKING:
    from torch import Tensor

    from harness.plan.planned import Planned
    from harness.records import Record


@explained()
def resolve(overrides: Iterable[str] = ()) -> RunConfig:
    """Compose, type and check the settings of one run.

    Args:
        overrides: As on the command line, for example ``["method=rigl", "sparsity=0.95", "budget=flops:0.5"]``.

    Raises:
        UsageError: Anything in them is unknown or out of range; the message names it and what is allowed.
    """
    return config.resolve(list(overrides))


@explained()
def plan(overrides: Iterable[str] = (), suite: str | None = None) -> list[Planned]:
    """Plan a run, or every run of a suite; train nothing.

    Args:
        overrides: As on the command line.
        suite: A file of ``benchmarks/suite``, without its ending.

    Returns:
        Each with its ``key``, its ``price``, whether it is ``done`` or ``why_not``, and all of that as `entry()`, a
        dictionary of plain values.

    Raises:
        UsageError: See `resolve`; or there is no such suite.
    """
    from harness.plan import grid, planned

    given = list(overrides)
    return planned.plan([config.resolve(given)] if suite is None else grid.runs(suite, given))


@explained()
def run(overrides: Iterable[str] = (), *, force: bool = False) -> Record:
    """Train one run, unless its record exists, and return the record; the board is not updated.

    The record is written to ``OUTPUT/records``, whatever becomes of the run: its ``status`` says how it ended.

    Args:
        overrides: As on the command line.
        force: Train it again although its record exists.

    Raises:
        UsageError: See `resolve`; or the run cannot start.
        KeyboardInterrupt: It was interrupted; started again without ``force``, it resumes from its checkpoint.
    """
    from harness.console import say
    from harness.executors import execute
    from harness.executors.base import Progressed
    from harness.exporters.callback import Exports
    from harness.plan import planned as plans

    chosen = config.resolve(list(overrides))
    execute.fetch([chosen])
    (planned,) = plans.plan([chosen])
    execute.require(planned.run)
    if force:
        planned = execute.anew(planned)
    with Exports([planned], say) as export:
        finished = execute.existing(planned) or execute.execute(
            planned, lambda message: export(Progressed(planned, message))
        )
        export(finished)
    assert finished.record is not None
    if finished.status == "interrupted":
        raise KeyboardInterrupt
    return finished.record


@explained()
def load_test_images(record: Record | Path | str) -> Iterator[tuple[Tensor, Tensor]]:
    """Load the test set of a run, once through, in batches.

    A kept network of the run (`load_network`) classifies as many of these images correctly as the record says; for a
    run of another task these are its inputs and targets.

    Args:
        record: The record of the run, or its file.

    Returns:
        Images as the network takes them, float32 of shape (batch, channels, height, width), and labels, int64 of shape
        (batch,), on the CPU and in the order of the data set. Other inputs and targets have the shapes of their task.

    Raises:
        RecordError: The file is not a record.
        UsageError: The samples are absent, or not those that the run was tested on.
    """
    from harness.records import load
    from harness.reliability.reload import load_test

    return load_test(load(Path(record)) if isinstance(record, str | Path) else record).epoch(0)
