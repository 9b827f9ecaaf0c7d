"""``sparsebench suite``: train a grid of runs."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import limits
from harness.cli.arguments import DONE, FAILED, OVERRIDES, jobs_anywhere, margin, output
from harness.cli.where import Where, where_of
from harness.console import say, shown

if TYPE_CHECKING:
    from harness.board.spending import Plan
    from harness.config import RunConfig
    from harness.executors.base import Finished
    from harness.plan.planned import Planned


_MOST_REASONS, _LONGEST = 10, 200


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=f"{OVERRIDES}; {limits.HELP}")
    command.add_argument("--suite", default="", metavar="NAME", help="name of a file in benchmarks/suite")
    command.add_argument(
        "--executor",
        default="local",
        metavar="NAME",
        help="where its runs are trained: local, slurm or ray; executor.NAME=VALUE sets an option of the last two, see "
        "benchmarks/executor",
    )
    command.add_argument(
        "--jobs",
        type=jobs_anywhere,
        default=0,
        metavar="N",
        help="runs at a time, one by default, or auto to find the fastest number; their wall-clock is marked as "
        "shared. With another executor, its jobs at a time",
    )
    command.add_argument(
        "--until",
        type=margin,
        metavar="POINTS",
        help="add seeds, at declared looks, until differences of so many points can be shown or nothing is undecided",
    )
    command.add_argument(
        "--no-wait",
        dest="wait",
        action="store_false",
        help="leave runs to the processes that train them already; otherwise their end is waited for",
    )
    command.add_argument(
        "--detach", action="store_true", help="train in the background; sparsebench status --follow watches it"
    )


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.executors.choose import require, split
    from harness.plan import grid

    options, overrides = split(given.overrides)
    require(given.executor, options)
    bounds, overrides = limits.read(overrides, wait=given.wait)
    if given.detach:
        return _detach(given, overrides, options)
    if given.until is not None:
        return _until(given, overrides, bounds, options)
    settings = list(grid.runs(given.suite, overrides))
    where = where_of(given, options)
    if where.executor == "local" and settings[0].runner.name == "local":
        from harness.runners import processes

        processes.begin()  # it imports for two seconds, as this process does
    # Imported once the settings are known to be good: torch takes seconds.
    from harness.executors.execute import fetch
    from harness.plan.planned import plan

    fetch(settings)
    runs = plan(settings)
    _list(given.suite, overrides, runs)
    _require(runs, set(), set())
    try:
        ended = _train(runs, where, bounds)
    finally:  # what has ended is on the board, whatever ends the suite
        _board(runs[0].run)
    return _status(ended, len(runs))


def _until(given: argparse.Namespace, overrides: list[str], bounds: limits.Limits, options: list[str]) -> int:
    """Train what each look of the plan needs, one after the other, until every level has ended."""
    from harness.board.spending import planned
    from harness.plan import until

    settings = until.cells(given.suite, overrides)
    where = where_of(given, options)
    from harness.executors.execute import fetch

    fetch(settings)
    looks = planned(given.until)
    ended: list[Finished] = []
    listed: list[Planned] = []
    rows: set[str] = set()
    reasons: set[str] = set()
    state = until.state(settings, looks)
    if state.warning:
        say(state.warning)
    try:
        while state.runs and not bounds.reached:
            for line in state.lines:
                say(line)
            listed += state.runs
            _list(given.suite, overrides, listed)
            _require(state.runs, rows, reasons)
            latest = _train(state.runs, where, bounds, looks)
            ended, bounds = ended + latest, bounds.after(latest)
            state = until.state(settings, looks, {event.planned.key for event in ended})
    finally:
        _board(settings[0])
    for line in state.lines:
        say(line)
    return _status(ended, len(ended))


def _detach(given: argparse.Namespace, overrides: list[str], options: list[str]) -> int:
    from harness.cli import detach
    from harness.plan import grid
    from harness.plan.listing import FOLDER

    next(grid.runs(given.suite, overrides, lambda line: None))  # what is misspelt is said here, not in the log
    where_of(given, options)
    folder = output([override for override in overrides if override.startswith("output=")])
    log = folder / FOLDER / f"{given.suite}.log"
    pid = detach.start([argument for argument in sys.argv[1:] if argument != "--detach"], log)
    where = "" if str(folder) == "results" else f" output={shown(folder)}"
    print(f"process {pid} trains {given.suite} and prints into {shown(log)}")
    print(
        f"watch it: sparsebench status {given.suite}{where} --follow; stop it: kill {pid}; the same command resumes it"
    )
    return DONE


def _list(suite: str, overrides: Sequence[str], runs: "Sequence[Planned]") -> None:
    """Leave word of what the suite consists of for ``sparsebench status``, which otherwise has to plan it."""
    from harness.executors.publishing import record_path
    from harness.plan import listing

    with suppress(OSError):
        listed = (listing.listed(planned, record_path(planned).name) for planned in runs)
        listing.write(Path(runs[0].run.output), suite, overrides, listed)


def _require(runs: "list[Planned]", rows: set[str], reasons: set[str]) -> None:
    """Make sure that runs can start, and say why their runners were chosen; once for each row and each reason.

    Args:
        runs: The runs.
        rows: Those that can start; added to.
        reasons: Those that were said; added to.
    """
    from harness.executors.execute import require

    for planned in runs:
        if not planned.settled and planned.identity.row not in rows:
            require(planned.run)  # a seed does not change whether a run can start
            rows.add(planned.identity.row)
    for planned in runs:
        if planned.choice.why not in reasons:
            say(planned.choice.why)
            reasons.add(planned.choice.why)


def _train(runs: "list[Planned]", where: Where, bounds: limits.Limits, looks: "Plan | None" = None) -> "list[Finished]":
    from harness.cli.follow import follow
    from harness.plan.chains import chains

    together = chains(runs)
    if where.executor == "local":
        from harness.executors.local import LocalExecutor
        from harness.executors.sharing import share

        at_once, together = share(together, 1 if where.jobs == 0 else where.jobs, say)
        return follow(LocalExecutor(at_once, looks, **bounds._asdict()), runs, together)
    from harness.executors.choose import make

    output = Path(runs[0].run.output)
    executor = make(
        where.executor, where.options, jobs=where.jobs or None, looks=looks, bounds=bounds._asdict(), output=output
    )
    return follow(executor, runs, together)


def _board(run: "RunConfig") -> None:
    from harness import board
    from harness.cli import tables

    tables.board(board.make(Path(run.output) / "records", run.output))


def _status(ended: "list[Finished]", number: int) -> int:
    """Say what is not done, and why; return the exit status."""
    from harness.cli import tables

    tables.without_corruptions(ended)
    if left := sum(event.status == "elsewhere" for event in ended):
        say(f"{left} of {number} runs are left to the processes that train them")
    failed = [event for event in ended if event.status not in ("done", "elsewhere")]
    if not failed:
        return DONE
    statuses = Counter(event.status for event in failed)
    listed = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    say(f"{len(failed)} of {number} runs are not done ({listed}); the board lists why")
    reasons = Counter(f"{event.status}: {_reason(event)}"[:_LONGEST] for event in failed)
    for why, count in reasons.most_common(_MOST_REASONS):
        say(f"  {count} {why}")
    if len(reasons) > _MOST_REASONS:
        say(f"  and {len(reasons) - _MOST_REASONS} other reasons")
    return FAILED


def _reason(event: "Finished") -> str:
    return "not begun" if event.record is None else str(event.record["reason"])
