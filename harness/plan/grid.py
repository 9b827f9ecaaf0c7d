"""Suites: grids of runs."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from harness import config
from harness.config import RunConfig
from harness.console import say
from harness.errors import UnfitError, UsageError, unknown
from harness.places import settings_files
from methods import methods
from methods.comparison import DenseComparison


def names() -> list[str]:
    """Every suite there is."""
    return sorted(settings_files("suite"))


def runs(name: str, overrides: list[str], tell: Callable[[str], None] = say) -> Iterator[RunConfig]:
    """Compose the runs of a suite, seeds outermost so that a board is complete early.

    A run may come more than once: dense is the same at every sparsity. `harness.plan.planned.plan` drops repeats.

    Args:
        name: Of a file in ``benchmarks/suite``, of the current folder or of the project: ``base`` holds overrides of
            every run, ``grid`` lists of values.
            ``method: all`` stands for every registered method, and the name of a family for its members. One of these
            is left out where it cannot have the sparsity, the model or the budget; a method named itself is not.
        overrides: Of every run; one that names an axis of the grid replaces it (``seed=0`` or ``method=[rigl,set]``).
        tell: Takes a line about each cell that is left out.

    Raises:
        UsageError: No such suite, one of its runs is bad, or no run is left.
    """
    if not name:
        raise UsageError(f"a suite needs a name: SUITE=name or --suite name, one of {', '.join(names())}")
    if name not in names():
        raise unknown("suite", name, names())
    suite = _read(name)
    grid, rest = _grid(suite, overrides)
    optional = _expanded(grid)
    axes = sorted(grid, key=lambda axis: (axis != "seed", axis != "sparsity"))
    base = [f"{k}={v}" for k, v in suite["base"].items()]
    told: set[str] = set()
    found = False
    for values in itertools.product(*(grid[axis] for axis in axes)):
        cell = {axis: f"{axis}={value}" for axis, value in zip(axes, values, strict=True)}
        try:
            run = config.resolve([*base, *cell.values(), *rest])
            if run.method.name in optional:
                _require_fit(run)
        except UnfitError as error:
            if cell.get("method", "").removeprefix("method=") not in optional:
                raise
            shown = [cell["method"], *(text for axis, text in cell.items() if axis not in ("method", "seed"))]
            why = f"left out {' '.join(shown)}: {error}"
            if why not in told:
                told.add(why)
                tell(why)
            continue
        found = True
        yield run
    if not found:
        raise UsageError(f"suite {name}: none of its methods can have these sparsities, models and budgets")


def _read(name: str) -> dict[str, Any]:
    """Return the content of a suite's file.

    Raises:
        UsageError: It cannot be read, or is not a suite.
    """
    path = settings_files("suite")[name]
    try:
        suite = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"suite {name}: {path} cannot be read: {' '.join(str(error).split())}") from None
    parts = [suite.get(part, {}) for part in ("base", "grid")] if isinstance(suite, dict) else []
    if not parts or not set(suite) <= {"base", "grid"} or not all(isinstance(part, dict) for part in parts):
        raise UsageError(
            f"suite {name}: {path} has to hold grid: with lists of values and may hold base: with settings"
        )
    return {"base": parts[0], "grid": parts[1]}


def _grid(suite: dict[str, Any], overrides: list[str]) -> tuple[dict[str, list[Any]], list[str]]:
    """Return the axes of a suite with the overrides that replace one, and the other overrides."""
    grid: dict[str, list[Any]] = {axis: _listed(values) for axis, values in suite["grid"].items()}
    rest = []
    for override in overrides:
        key, _, value = override.partition("=")
        if key in grid:
            grid[key] = list(config.several(key, value))
        else:
            rest.append(override)
    return grid, rest


def _expanded(grid: dict[str, list[Any]]) -> set[str]:
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


def _require_fit(run: RunConfig) -> None:
    """Raise an `UnfitError` where the dense net for comparison that a run trains cannot be had."""
    if isinstance(run.method, DenseComparison):
        from harness.plan import comparison  # it measures models, which takes torch

        comparison.require(run)
