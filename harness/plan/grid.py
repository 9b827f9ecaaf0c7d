"""Suites: grids of runs."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
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
            grid[key] = _values(key, value)
        else:
            rest.append(override)
    if "method" in grid:
        grid["method"] = list(dict.fromkeys(one for value in grid["method"] for one in _members(str(value))))
    axes = sorted(grid, key=lambda axis: (axis != "seed", axis != "sparsity"))
    base = [f"{k}={v}" for k, v in suite.get("base", {}).items()]
    resolve = _Resolver()
    for values in itertools.product(*(grid[axis] for axis in axes)):
        cell = [f"{axis}={value}" for axis, value in zip(axes, values, strict=True)]
        yield resolve([*base, *cell, *rest])


def _members(value: str) -> list[str]:
    """Return the methods that a value of the method axis stands for."""
    registered = methods()
    if value == "all":
        return sorted(registered)
    family = sorted(name for name, method in registered.items() if method.family == value)
    return family if family and value not in registered else [value]


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
        return config.checked(replace(self._composed[same], seed=int(seed), sparsity=float(sparsity)))


def _number(overrides: list[str], axis: str) -> str | None:
    """Return what an axis is set to if that is plainly a number."""
    said = [o.partition("=")[2] for o in overrides if o.partition("=")[0] == axis]
    pattern = r"\d{1,18}" if axis == "seed" else r"\d+(\.\d+)?"
    return said[0] if len(said) == 1 and re.fullmatch(pattern, said[0]) else None


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _values(axis: str, text: str) -> list[Any]:
    """Read what an override puts in the place of an axis: one value or a list."""
    try:
        chosen = yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise UsageError(f"{axis}={text}: not a value or a list, as in {axis}=[a,b]") from None
    values = _listed(chosen)
    if not values:
        raise UsageError(f"{axis}={text}: the list is empty, so that there are no runs")
    return values


class _Loader(yaml.SafeLoader):
    """YAML without octal numbers: ``seed=[010]`` is ten, as ``seed=010`` is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:int"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
