"""``sparsebench status``: where a suite stands."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli import limits
from harness.cli.arguments import DONE, output
from harness.cli.layout import clock
from harness.console import printable, say, shown

if TYPE_CHECKING:
    from harness.executors.state import Running, State
    from harness.plan.listing import Listed


_SECONDS = 2.0
"""Between two looks of ``--follow``."""
_MOST = 20
"""Runs under way, and reasons, that are listed for a person."""
_LONGEST = 200
_QUIET_SECONDS = 30.0
"""After which a process that has not been heard of is said to be silent; it should be heard of every ten."""


class _Look(NamedTuple):
    """What was seen of a suite.

    Attributes:
        suite: Its name.
        folder: Its output folder.
        planned: When it was planned; None if it was not started there.
        runs: How many runs it has.
        state: Where they stand.
    """

    suite: str
    folder: Path
    planned: str | None
    runs: int
    state: "State"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("suite", metavar="SUITE", help="name of a suite")
    command.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="OVERRIDE",
        help="output=DIR, and the overrides that the suite was started with; without them, all that was started of it",
    )
    command.add_argument("--follow", action="store_true", help="look every 2 seconds, until nothing is left to train")
    command.add_argument("--json", action="store_true", help="print JSON; with --follow, a line each time")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    told = partial(_json, indent=None if given.follow else 1) if given.json else _text
    if not given.follow:
        print(told(_look(given)))
        return DONE
    with suppress(KeyboardInterrupt):  # how a person stops to look
        _follow(lambda: _look(given), told, redraw=sys.stdout.isatty() and not given.json)
    return DONE


def _look(given: argparse.Namespace) -> _Look:
    from harness.executors.state import state

    _, overrides = limits.read(given.overrides, wait=True)
    overrides = [override for override in overrides if not override.startswith("executor.")]  # none of its runs
    folder = output([override for override in overrides if override.startswith("output=")])
    planned, runs = _runs(folder, given.suite, overrides)
    return _Look(given.suite, folder, planned, len(runs), state(folder, runs))


def _runs(folder: Path, suite: str, overrides: Sequence[str]) -> "tuple[str | None, list[Listed]]":
    """Return when a suite was planned, and its runs; one that was not started in the folder is planned now.

    Raises:
        UsageError: There is no such suite, or an override is bad.
    """
    from harness.plan import listing

    if (found := listing.read(folder, suite, overrides)) is not None:
        return found
    from harness.plan import grid

    settings = list(grid.runs(suite, list(overrides)))
    say(f"{suite} was not started in {shown(folder)} with these overrides: planning it")
    from harness.executors.publishing import record_path
    from harness.plan.planned import plan

    return None, [listing.listed(planned, record_path(planned).name) for planned in plan(settings)]


def _follow(look: Callable[[], _Look], told: Callable[[_Look], str], *, redraw: bool) -> None:
    """Show what changes until nothing is left to train.

    Args:
        look: Returns what is to be seen.
        told: Returns it as text.
        redraw: Whether to draw it over what was shown before; otherwise it is printed again.
    """
    if redraw:
        from rich.live import Live
        from rich.text import Text

        with Live(auto_refresh=False) as live:
            for seen in _looks(look):
                live.update(Text(told(seen)), refresh=True)
        return
    before = None
    for seen in _looks(look):
        if (text := told(seen)) != before:
            before = text
            print(text, flush=True)


def _looks(look: Callable[[], _Look]) -> Iterator[_Look]:
    while True:
        seen = look()
        yield seen
        if seen.state.over:
            return
        time.sleep(_SECONDS)


def _text(seen: _Look) -> str:
    state = seen.state
    when = f", planned {seen.planned}" if seen.planned else ""
    lost = f", {len(state.lost)} of them left by a process that has ended" if state.lost else ""
    left = "nothing"
    if not state.over:
        left = "unknown until a run is done" if state.seconds_left is None else f"about {clock(state.seconds_left)}"
        left += f", {len(state.running) or 'one'} at a time"
    reasons = Counter(f"{head.status}: {head.reason}" for _, head in state.failed).most_common(_MOST)
    lines = [
        f"{seen.suite} in {shown(seen.folder)}: {seen.runs:,} runs{when}",
        f"done     {len(state.done):,}",
        f"running  {len(state.running):,}",
        f"waiting  {len(state.waiting):,}{lost}",
        f"failed   {len(state.failed):,}",
        f"left     {left}",
        f"cost     {state.train_flops:.3g} training FLOPs, {clock(state.seconds)} of runs so far",
        *(f"running: {_running(one)}" for one in state.running[:_MOST]),
        *(f"lost: {_running(one)}" for one in state.lost[:_MOST]),
        *(f"{count:,} {why[:_LONGEST]}" for why, count in reasons),
    ]
    return "\n".join(map(printable, lines))


def _running(one: "Running") -> str:
    silent = f", not heard of for {one.silent:.0f} s" if (one.silent or 0) > _QUIET_SECONDS else ""
    return f"{one.run.title}: {one.holder} ({one.holder.progress:.0%}){silent}"


def _json(seen: _Look, *, indent: int | None) -> str:
    state = seen.state
    found = {
        "suite": seen.suite,
        "planned": seen.planned,
        "runs": seen.runs,
        "done": len(state.done),
        "running": [_entry(one) for one in state.running],
        "waiting": len(state.waiting),
        "lost": [_entry(one) for one in state.lost],
        "failed": [
            {"key": run.key, "run": run.title, "status": head.status, "reason": head.reason}
            for run, head in state.failed
        ],
        "seconds_left": state.seconds_left,
        "cost": {"train_flops": state.train_flops, "seconds": state.seconds},
    }
    return json.dumps(found, indent=indent)


def _entry(one: "Running") -> dict[str, Any]:
    holder = one.holder
    return {
        "key": one.run.key,
        "run": one.run.title,
        "user": holder.user,
        "host": holder.host,
        "pid": holder.pid,
        "since": holder.since,
        "step": holder.step,
        "progress": holder.progress,
        "silent_seconds": one.silent,
    }
