"""Suites: grids of runs."""

import copy
import itertools
import math
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import yaml

from harness import board
from harness.cli import tables as report
from harness.cli.display import Display
from harness.config import compose as config
from harness.config.compose import TREE, RunConfig
from harness.console import say
from harness.errors import UsageError, unknown
from harness.executors import execute, packing
from harness.machine import gpus
from harness.plan import chains as chain
from harness.plan import price as plan
from harness.runners.choose import choose


def names() -> list[str]:
    """Every suite there is."""
    return sorted(path.stem for path in (TREE / "suite").glob("*.yaml"))


def runs(name: str, overrides: list[str]) -> list[RunConfig]:
    """Compose every run of a suite, each once, seeds outermost so that a board is complete early.

    Args:
        name: Of a file in ``benchmarks/suite``: ``base`` holds overrides of every run, ``grid`` lists of values.
        overrides: Of every run; one that names an axis of the grid replaces it (``seed=0`` or ``method=[rigl,set]``).

    Raises:
        UsageError: No such suite, or one of its runs is bad.
    """
    if name not in names():
        raise unknown("suite", name, names())
    suite = yaml.safe_load((TREE / "suite" / f"{name}.yaml").read_text())
    grid: dict[str, list[Any]] = dict(suite["grid"])
    rest = []
    for override in overrides:
        key, _, value = override.partition("=")
        if key in grid:
            grid[key] = _values(key, value)
        else:
            rest.append(override)
    axes = sorted(grid, key=lambda axis: (axis != "seed", axis != "sparsity"))
    base = [f"{k}={v}" for k, v in suite.get("base", {}).items()]
    resolve = _Resolver()
    found: dict[str, RunConfig] = {}
    for values in itertools.product(*(grid[axis] for axis in axes)):
        cell = [f"{axis}={value}" for axis, value in zip(axes, values, strict=True)]
        run = resolve([*base, *cell, *rest])
        plan.settle(run)
        # Dense is the same run at every sparsity.
        found.setdefault(plan.identify(run).key, run)
    return list(found.values())


class _Resolver:
    """Resolves runs that differ in seed and sparsity alone from one composition: Hydra takes a tenth of a second."""

    def __init__(self) -> None:
        self._composed: dict[tuple[str, ...], RunConfig] = {}

    def __call__(self, overrides: list[str]) -> RunConfig:
        seed, sparsity = _number(overrides, "seed"), _number(overrides, "sparsity")
        if seed is None or sparsity is None or any("${" in override for override in overrides):
            return config.resolve(overrides)
        same = tuple(o for o in overrides if o.partition("=")[0] not in ("seed", "sparsity"))
        if same not in self._composed:
            self._composed[same] = config.resolve(overrides)
        run = copy.deepcopy(self._composed[same])
        run.seed, run.sparsity = int(seed), float(sparsity)
        return config.checked(run)


def _number(overrides: list[str], axis: str) -> str | None:
    """Return what an axis is set to if that is plainly a number."""
    said = [o.partition("=")[2] for o in overrides if o.partition("=")[0] == axis]
    pattern = r"\d{1,18}" if axis == "seed" else r"\d+(\.\d+)?"
    return said[0] if len(said) == 1 and re.fullmatch(pattern, said[0]) else None


def _values(axis: str, text: str) -> list[Any]:
    """Read what an override puts in the place of an axis: one value or a list."""
    try:
        chosen = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"{axis}={text}: not a value or a list, as in {axis}=[a,b]") from None
    values = chosen if isinstance(chosen, list) else [chosen]
    if not values:
        raise UsageError(f"{axis}={text}: the list is empty, so that there are no runs")
    return values


def train(name: str, overrides: list[str], jobs: int | None = 1) -> bool:
    """Train what is missing of a suite, then make the board; return whether every run is done.

    Args:
        name: Of the suite.
        overrides: See `runs`.
        jobs: Runs at a time; None for as many as are fastest here, by trying (`harness.executors.packing`).

    Raises:
        KeyboardInterrupt: Ctrl-C; what was trained is kept and the rest follows when it is started again.
        UsageError: The suite, an override or the output is bad.
    """
    todo = runs(name, overrides)
    for run in todo:
        if run.seed == todo[0].seed:  # a seed does not change whether a run can start
            execute.require(run)
    output = Path(todo[0].output)
    choices = [choose(run) for run in todo]
    together = chain.chains(todo)
    places = max(len(gpus.visible(gpus.installed())), 1) if todo[0].device == "cuda" else 1
    if jobs is None:
        missing = (run for run, choice in zip(todo, choices, strict=True) if not execute.existing(run, choice.image_id))
        example = next(missing, None)
        most = math.ceil(len(together) / places)
        jobs = places * packing.best(example, most=most).jobs if example else 1
    for run in todo:
        run.packed = math.ceil(jobs / places)
    numbers = {id(run): number for number, run in enumerate(todo, 1)}
    say(choices[0].why)
    stop = threading.Event()
    with Display() as display, ThreadPoolExecutor(jobs) as pool:

        def one(number: int, run: RunConfig, successor: RunConfig | None) -> str:
            choice = choices[number - 1]
            title = f"[{number}/{len(todo)}] {report.title(run)}"
            result = execute.existing(run, choice.image_id)
            if result is None and not stop.is_set():
                with display.run(title) as show:
                    result = execute.execute(run, choice, _until(stop, show), successor)
                accuracy = result.record["metrics"]["test_accuracy"]
                scored = "" if accuracy is None else f" {accuracy:.2%}"
                display.say(f"{title}: {result.record['status']}{scored}")
            return "interrupted" if result is None else str(result.record["status"])

        def one_by_one(members: list[RunConfig]) -> list[str]:
            ended = []
            for run, after in zip(members, [*members[1:], None], strict=True):
                done = after and execute.existing(after, choices[numbers[id(after)] - 1].image_id)
                ended.append(one(numbers[id(run)], run, None if done else after))
            return ended

        futures = [pool.submit(one_by_one, members) for members in together]
        try:
            statuses = [status for future in as_completed(futures) for status in future.result()]
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    report.board(board.make(output / "records", output))
    failed = sum(status != "done" for status in statuses)
    if failed:
        say(f"{failed} of {len(todo)} runs are not done; the board lists why")
    return not failed


def _until(stop: threading.Event, show: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Pass events on until told to stop; then interrupt the run, in the thread that its runner listens in."""

    def pass_on(event: dict[str, Any]) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        show(event)

    return pass_on
