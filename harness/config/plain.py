"""A config as plain values, as records and requests hold it, and back; and copies of one."""

import copy
import dataclasses
from collections.abc import Collection
from typing import Any

from harness.config.schema import APPLIED, PARTS, PLAIN, RecipeConfig, RunConfig
from harness.vocabulary import RULES, TRACKERS

NEWER: dict[str, dict[str, Any]] = {
    "": {"test": True, "corruptions": False, "nproc": 1, "budget_share": 1.0, "reference": {}},
    "dataset": {"validation": "default", "subset": 0, "test_subset": 0, "task": "classification", "metric": {}},
    "model": {
        "width": 1.0,
        "widths": [],
        "dropout": 0.0,
        "normalisation": "none",
        "init": "default",
        "init_fan": "layer",
    },
    "recipe": {
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "clip": None,
        "lr_end": 0.0,
        "lr_until": 1.0,
        "loss": "cross_entropy",
    },
}
"""Settings that `to_dict` leaves out at these values, by group; those of no group under ""."""


def to_dict(run: RunConfig) -> dict[str, Any]:
    """Return the plain values of a config, as records and requests hold them.

    They do not say where on this machine plug-ins and tuned settings lie; digests and the settings themselves identify
    them. Nor do they say what is kept of the run, or where it is exported to. What is newer than the first records is
    left out at its default, so that their keys stay. What the method declares of its masks comes from here, which is
    outside a container: ``reaches``, ``pattern`` and ``probe``.
    """
    # They have been applied; what a recipe says of other methods is not this run's.
    plain = _values(run, ("recipe", "plugins", "tuned", "keep", *TRACKERS))
    plain |= {"recipe": _values(run.recipe, APPLIED), "rules": RULES}
    for group, defaults in NEWER.items():
        part = plain[group] if group else plain
        for name, default in defaults.items():
            if part[name] == default:
                del part[name]
    return plain | (_declared(run.method, 1 - run.sparsity) if run.method is not None else {})


def _values(part: Any, but: Collection[str] = ()) -> dict[str, Any]:
    """Return what `dataclasses.asdict` does, but for some names, faster: numbers and text are not copied one by one."""
    names = [field.name for field in dataclasses.fields(part)]
    found = {name: getattr(part, name) for name in names if name not in but}
    for name, value in found.items():
        if type(value) not in PLAIN:
            found[name] = _values(value) if dataclasses.is_dataclass(value) else copy.deepcopy(value)
    return found


def copied(part: Any) -> Any:
    """Return a copy of a config, or of a part of it, that shares what nothing changes; `copy.deepcopy` takes longer."""
    new = copy.copy(part)
    values, shared = vars(new), APPLIED if isinstance(part, RecipeConfig) else ()
    for name, value in values.items():
        if type(value) not in PLAIN and name not in shared:
            values[name] = copied(value) if dataclasses.is_dataclass(value) else copy.deepcopy(value)
    return new


def _declared(method: Any, target: float) -> dict[str, Any]:
    """Return what a method declares of its masks at a target density, as far as it is not what most methods do."""
    pattern, probe = method.pattern(target), method.probe(target) if target < 1 else None
    found: dict[str, Any] = {} if method.exact else {"reaches": True}
    if pattern is not None:
        found["pattern"] = pattern.described()
    if probe is not None:
        found["probe"] = dataclasses.asdict(probe)
    return found


def from_dict(plain: dict[str, Any], *, method: bool = True) -> RunConfig:
    """Rebuild a config from `to_dict`'s values; unknown settings are left out, absent ones have their default.

    Args:
        plain: The values.
        method: Whether to build the method too; False where its module, code on trial, must not be imported. The
            config's method is then None.
    """
    values: dict[str, Any] = {name: part(**plain[name]) for name, part in PARTS.items()}
    values["method"] = None
    if method:
        from methods import build

        values["method"] = build(plain["method"])
    rest = {f.name for f in dataclasses.fields(RunConfig)} - set(values)
    return RunConfig(**values, **{name: plain[name] for name in rest if name in plain})
