"""``sparsebench tune``: choose hyper-parameters on the validation split, with as many trials for every method."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.cli.arguments import DONE, FAILED, OVERRIDES, jobs
from harness.console import say, shown
from harness.errors import UnfitError, UsageError, short

if TYPE_CHECKING:
    from harness.config import RunConfig
    from harness.plan.planned import Planned
    from harness.records import Record
    from harness.tuning.result import Tuning
    from harness.tuning.search import Search


_OWN = {
    "seed": "trials have a seed of their own, which no row of a board requires",
    "test": "trials never touch the test set",
    "tuned": "a trial cannot be tuned itself",
}


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=f"{OVERRIDES}; method=[a,b] or method=all")
    command.add_argument("--trials", type=_trials, default=5, metavar="N", help="runs of each method, 5 by default")
    command.add_argument(
        "--space", default="default", metavar="NAME", help="name of a file in benchmarks/tuning, or a .yaml file"
    )
    command.add_argument("--plan", action="store_true", help="show the trials and what they will cost; train nothing")
    command.add_argument(
        "--jobs", type=jobs, default=1, metavar="N", help="runs at a time, or auto to find the fastest number"
    )


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.tuning.space import declared

    bases = _bases(given.overrides)
    for run in bases:
        declared(given.space, run)  # a bad space is found at once
    # Imported once the settings are known to be good: torch takes seconds.
    from harness.cli import tables
    from harness.executors.execute import fetch
    from harness.plan.planned import plan, settled
    from harness.tuning.search import search

    fetch(bases)
    searches = [search(settled(run), given.space, given.trials) for run in bases]
    runs = plan(trial for one in searches for trial in one.runs())
    if given.plan:
        tables.plan(runs)
        return DONE
    records = _train(runs, given.jobs)
    concluded = [_conclude(one, runs, records) for one in searches]
    return DONE if all(concluded) else FAILED


def _trials(text: str) -> int:
    """Read a number of trials."""
    from harness.tuning.result import FEWEST, MOST

    if not (text.isascii() and text.isdigit() and len(text) < 10 and FEWEST <= int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{short(text)} is not a number of trials in {FEWEST}...{MOST}")
    return int(text)


def _bases(overrides: Sequence[str]) -> "list[RunConfig]":
    """Return the run without tuning of each method that is to be tuned.

    Raises:
        UsageError: An override is bad, or sets what trials decide themselves.
    """
    from harness import config
    from harness.plan import grid
    from methods import methods

    for override in overrides:
        name = override.partition("=")[0]
        if name in _OWN:
            raise UsageError(f"{short(override)}: {_OWN[name]}; drop it")
    chosen = next((each for each in reversed(overrides) if each.startswith("method=")), None)
    if chosen is None:
        return [config.resolve(list(overrides))]
    rest = [override for override in overrides if not override.startswith("method=")]
    value = chosen.partition("=")[2]
    if value != "all":
        return [config.resolve([*rest, f"method={name}"]) for name in config.several("method", value)]
    found = []
    for name in sorted(methods()):
        try:
            run = config.resolve([*rest, f"method={name}"])
            grid.require_fit(run)
            found.append(run)
        except UnfitError as error:
            say(f"left out: {name}: {error}")
    if not found:
        raise UsageError("method=all: no method can be trained with these settings")
    return found


def _train(runs: "Sequence[Planned]", at_a_time: int | None) -> "dict[str, Record]":
    """Train trials that have no record yet; return the records by key of those that need no training any more."""
    from harness.cli.follow import follow
    from harness.executors.execute import require
    from harness.executors.local import LocalExecutor
    from harness.executors.sharing import share
    from harness.plan.chains import chains
    from harness.plan.existing import SETTLED

    missing = [planned for planned in runs if not planned.settled]
    for planned in {planned.identity.row: planned for planned in missing}.values():
        require(planned.run)
    for why in dict.fromkeys(planned.choice.why for planned in runs):
        say(why)
    flops = [planned.price.train_flops for planned in missing]
    known = sum(each for each in flops if each is not None)
    say(f"{len(runs)} trials, {len(runs) - len(missing)} done; the rest will train {known:.3g} FLOPs")
    at_once, together = share(chains(runs), at_a_time, say)
    ended = follow(LocalExecutor(at_once), runs, together)
    return {one.planned.key: one.record for one in ended if one.record is not None and one.status in SETTLED}


def _conclude(one: "Search", runs: "Sequence[Planned]", records: "Mapping[str, Record]") -> bool:
    """Write and print what the trials of one method gave; return whether they chose anything."""
    from harness.cli import layout

    keys = one.keys(runs)
    title = f"{one.run.method.name} on {one.run.dataset.name}/{one.run.model.name}"
    if left := [key for key in keys if key not in records]:
        say(f"{title}: {len(left)} of {len(keys)} trials are not done; the same command resumes them")
        return False
    tuning = one.result([records[key] for key in keys])
    tuning.write(one.path)
    print(layout.many(_rows(tuning), layout.width()))
    if tuning.chosen is None:
        say(f"{title}: no trial is done at sparsity {one.run.sparsity:g}, so nothing was chosen; see {shown(one.path)}")
        return False
    print(f"wrote {shown(one.path)}: tuned={shown(one.path)} uses trial {tuning.chosen + 1}")
    return True


def _rows(tuning: "Tuning") -> list[dict[str, str]]:
    from harness.cli import layout

    return [
        {
            "trial": f"{number + 1}{' *' if number == tuning.chosen else ''}",
            **{name: str(value) for name, value in trial.settings.items()},
            "status": trial.status,
            f"validation {layout.heading(tuning.metric)}": layout.score(tuning.metric, trial.score),
            "train FLOPs": "-" if trial.train_flops is None else f"{trial.train_flops:.3g}",
        }
        for number, trial in enumerate(tuning.trials)
    ]
