"""Suites: grids of runs."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from harness import config
from harness.config import RunConfig
from harness.console import say
from harness.errors import UnfitError, UsageError, unknown
from harness.places import settings_files
from methods import methods
from methods.comparison import DenseComparison

Grid = dict[str, list[Any]]
"""Values by setting: the runs of a grid are those of their product."""


def names() -> list[str]:
    """Every suite there is, but those of `papers`."""
    return sorted(settings_files("suite"))


def papers() -> list[str]:
    """Every suite that reproduces a table of a paper: a file in ``benchmarks/suite/papers``."""
    return sorted(settings_files("suite/papers"))


def paper(name: str) -> Any:
    """Return what the suite of a paper holds of it, under ``paper:``.

    Raises:
        UsageError: Its file cannot be read, or is not a suite.
    """
    return _loaded(name).get("paper")


def values(name: str, setting: str) -> set[str]:
    """Return the values that the file of a suite gives a setting; nothing is composed for it."""
    suite = _loaded(name)
    return {
        _text(value)
        for part in (suite.get("base", {}), *_listed(suite.get("grid", {})))
        for value in _listed(part.get(setting, []))
    }


def runs(name: str, overrides: list[str], tell: Callable[[str], None] = say) -> Iterator[RunConfig]:
    """Compose the runs of a suite, seeds outermost so that a board is complete early.

    A run may come more than once: dense is the same at every sparsity. `harness.plan.planned.plan` drops repeats.

    Args:
        name: Of a file in ``benchmarks/suite`` or ``benchmarks/suite/papers``, of the current folder or of the project:
            ``base`` holds overrides of every run, ``grid`` lists of values, or a list of such grids whose runs the
            suite has together.
            ``method: all`` stands for every registered method, and the name of a family for its members. One of these
            is left out where it cannot have the sparsity, the model or the budget; a method named itself is not.
        overrides: Of every run; one that names an axis of a grid replaces it in all grids (``seed=0`` or
            ``method=[rigl,set]``). Of a paper's suite it chooses among the values of the grids, if they have all.
        tell: Takes a line about each cell that is left out.

    Raises:
        UsageError: No such suite, one of its runs is bad, or no run is left.
    """
    if not name:
        raise UsageError(f"a suite needs a name: SUITE=name or --suite name, one of {', '.join(names())}")
    if name not in (*names(), *papers()):
        raise unknown("suite", name, (*names(), *papers()))
    base, grids = _read(name, tell)
    if name not in names():
        grids, overrides = _chosen(grids, overrides)
    grids, rest = _replaced(grids, overrides)
    told: set[str] = set()
    found: dict[tuple[str, ...], RunConfig] = {}
    for cell, optional in _cells(grids):
        row = tuple(text for axis, text in cell.items() if axis != "seed")
        try:
            if row in found:
                run = config.reseeded(found[row], cell["seed"])
            else:
                run = config.resolve([*base, *cell.values(), *rest])
            if run.method.name in optional:
                require_fit(run)
        except UnfitError as error:
            if cell.get("method", "").removeprefix("method=") not in optional:
                raise
            shown = [cell["method"], *(text for axis, text in cell.items() if axis not in ("method", "seed"))]
            why = f"left out {' '.join(shown)}: {error}"
            if why not in told:
                told.add(why)
                tell(why)
            continue
        found[row] = run
        yield run
    if not found:
        raise UsageError(f"suite {name}: none of its methods can have these sparsities, models and budgets")


def _read(name: str, tell: Callable[[str], None]) -> tuple[list[str], list[Grid]]:
    """Return the overrides of every run of a suite, and its grids.

    Methods that a paper's suite names and that do not exist, or not yet, are left out.

    Raises:
        UsageError: Its file cannot be read, or is not a suite.
    """
    suite = _loaded(name)
    found = [{str(axis): _listed(values) for axis, values in grid.items()} for grid in _listed(suite.get("grid", {}))]
    if empty := next((axis for grid in found for axis, values in grid.items() if not values), None):
        raise UsageError(f"suite {name}: {_path(name)}: the list {empty} of grid is empty, which leaves no runs")
    if "paper" in suite:
        found = [grid for grid in found if _only_known(grid, tell)]
    return [f"{setting}={_text(value)}" for setting, value in suite.get("base", {}).items()], found


def _only_known(grid: Grid, tell: Callable[[str], None]) -> bool:
    """Take the methods that do not exist out of a grid, in place; return whether any is left."""
    named = [str(value) for value in grid.get("method", [])]
    families = {method.family for method in methods().values()}
    absent = [name for name in named if name.isidentifier() and name not in (*methods(), *families, "all")]
    for name in absent:
        tell(f"left out method={name}: no method here has that name")
    if absent:
        grid["method"] = [name for name in named if name not in absent]
    return "method" not in grid or bool(grid["method"])


def _path(name: str) -> Path:
    return {**settings_files("suite/papers"), **settings_files("suite")}[name]


def _loaded(name: str) -> dict[str, Any]:
    """Return the file of a suite: a grid or several, and maybe what every run shares and what a paper published."""
    path = _path(name)
    try:
        suite = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"suite {name}: {path} cannot be read: {' '.join(str(error).split())}") from None
    if isinstance(suite, dict) and set(suite) <= {"base", "grid", "paper"}:
        parts = (suite.get("base", {}), *_listed(suite.get("grid", {})))
        if len(parts) > 1 and all(isinstance(part, dict) for part in parts):
            return suite
    raise UsageError(
        f"suite {name}: {path} has to hold grid: with lists of values, or a list of such grids, and may hold base: "
        f"with settings"
    )


def _chosen(grids: list[Grid], overrides: list[str]) -> tuple[list[Grid], list[str]]:
    """Return what overrides leave of grids, and the other overrides.

    Of an axis the values that are given are left, if the grids have every one of them. A grid that has none of them is
    left out, so that each row stays with the settings of its own grid; but dense nets have no sparsity.
    """
    rest = []
    for override in overrides:
        axis, _, text = override.partition("=")
        had = [value for grid in grids for value in grid.get(axis, [])]
        given = config.several(axis, text) if had else [text]
        if not all(any(_same(value, each) for value in had) for each in given):
            rest.append(override)
            continue
        left = []
        for grid in grids:
            values = [value for value in grid.get(axis, []) if any(_same(value, each) for each in given)]
            if values:
                left.append(grid | {axis: values})
            elif axis not in grid and axis in ("seed", "sparsity"):
                left.append(grid)
        grids = left
    return grids, rest


def _same(value: Any, text: str) -> bool:
    """Tell whether a value of a grid is that of an override; 0.90 is 0.9."""
    try:
        return float(value) == float(text.strip())
    except (TypeError, ValueError):
        return _text(value) == text.strip()


def _replaced(grids: list[Grid], overrides: list[str]) -> tuple[list[Grid], list[str]]:
    """Return grids with the overrides that replace an axis of any of them, and the other overrides."""
    axes = {axis for grid in grids for axis in grid}
    given = [override.partition("=") for override in overrides]
    replaced: Grid = {axis: list(config.several(axis, value)) for axis, _, value in given if axis in axes}
    rest = [override for override, (axis, *_) in zip(overrides, given, strict=True) if axis not in axes]
    return [grid | replaced for grid in grids], rest


def _cells(grids: list[Grid]) -> list[tuple[dict[str, str], set[str]]]:
    """Return the cells of grids, each once and seeds outermost: an override by axis, and methods that may be left out.

    A method may be left out of a cell if nothing but a group names it in the grids of the cell.
    """
    found: dict[tuple[tuple[str, str], ...], tuple[dict[str, str], set[str]]] = {}
    for grid in grids:
        optional = _expanded(grid)
        axes = sorted(grid, key=lambda axis: (axis != "seed", axis != "sparsity"))
        for values in itertools.product(*(grid[axis] for axis in axes)):
            cell = {axis: f"{axis}={_text(value)}" for axis, value in zip(axes, values, strict=True)}
            key = tuple(sorted(cell.items()))
            found[key] = (cell, optional & found[key][1] if key in found else optional)
    seeds = dict.fromkeys(cell.get("seed") for cell, _ in found.values())
    place = {seed: number for number, seed in enumerate(seeds)}
    return sorted(found.values(), key=lambda item: place[item[0].get("seed")])


def _expanded(grid: Grid) -> set[str]:
    """Replace groups of methods by their members, in place; return the methods that nothing but a group names."""
    named = [str(value) for value in grid.get("method", [])]
    if "method" in grid:
        grid["method"] = list(dict.fromkeys(one for value in named for one in _members(value)))
    return set(grid.get("method", [])) - set(named)


def _members(value: str) -> list[str]:
    """Return the methods that a value of the method axis stands for."""
    registered = methods()
    if value == "all":
        return sorted(registered)
    family = sorted(name for name, method in registered.items() if method.family == value)
    return family if family and value not in registered else [value]


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _text(value: Any) -> str:
    return "null" if value is None else str(value)


def require_fit(run: RunConfig) -> None:
    """Raise an `UnfitError` where the model cannot have the dense net for comparison, or the pattern, of a run."""
    if isinstance(run.method, DenseComparison):
        from harness.plan import comparison  # it measures models, which takes torch

        comparison.require(run)
    elif run.method.masked and run.method.pattern(1 - run.sparsity) is not None:
        from harness.training import prepare

        prepare.check_outputs(run, prepare.measured(run))
