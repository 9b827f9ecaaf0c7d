"""Suites: grids of runs."""

import itertools
from collections.abc import Iterator
from typing import Any

import yaml

from harness import config
from harness.config import RunConfig
from harness.errors import UsageError, unknown
from harness.places import TREE
from methods import methods


def names() -> list[str]:
    """Every suite there is."""
    return sorted(path.stem for path in (TREE / "suite").glob("*.yaml"))


def runs(name: str, overrides: list[str]) -> Iterator[RunConfig]:
    """Compose the runs of a suite, seeds outermost so that a board is complete early.

    A run may come more than once: dense is the same at every sparsity. `harness.plan.planned.plan` drops repeats.

    Args:
        name: Of a file in ``benchmarks/suite``: ``base`` holds overrides of every run, ``grid`` lists of values.
            ``method: all`` stands for every registered method, and the name of a family for its members.
        overrides: Of every run; one that names an axis of the grid replaces it (``seed=0`` or ``method=[rigl,set]``).

    Raises:
        UsageError: No such suite, or one of its runs is bad.
    """
    if not name:
        raise UsageError(f"a suite needs a name: SUITE=name or --suite name, one of {', '.join(names())}")
    if name not in names():
        raise unknown("suite", name, names())
    suite = yaml.safe_load((TREE / "suite" / f"{name}.yaml").read_text())
    grid: dict[str, list[Any]] = {axis: _listed(values) for axis, values in suite["grid"].items()}
    rest = []
    for override in overrides:
        key, _, value = override.partition("=")
        if key in grid:
            grid[key] = list(config.several(key, value))
        else:
            rest.append(override)
    if "method" in grid:
        grid["method"] = list(dict.fromkeys(one for value in grid["method"] for one in _members(str(value))))
    axes = sorted(grid, key=lambda axis: (axis != "seed", axis != "sparsity"))
    base = [f"{k}={v}" for k, v in suite.get("base", {}).items()]
    for values in itertools.product(*(grid[axis] for axis in axes)):
        cell = [f"{axis}={value}" for axis, value in zip(axes, values, strict=True)]
        yield config.resolve([*base, *cell, *rest])


def _members(value: str) -> list[str]:
    """Return the methods that a value of the method axis stands for."""
    registered = methods()
    if value == "all":
        return sorted(registered)
    family = sorted(name for name, method in registered.items() if method.family == value)
    return family if family and value not in registered else [value]


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]
