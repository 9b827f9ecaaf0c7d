"""Every name that an override may have, found from the dataclasses: nothing here needs Hydra."""

import dataclasses
import typing
from functools import lru_cache
from typing import Any

from harness.budget.kinds import KINDS
from harness.config.lengths import POSITIONS
from harness.config.schema import APPLIED, PARTS, RunConfig
from harness.errors import UsageError, nearest, unknown
from harness.places import OwnFiles, own_settings, settings_files
from methods import entry_points, methods

GROUPS = ("dataset", "method", "model", "recipe", "budget", "runner")
"""Groups of which a run chooses one member each, ``dataset=digits``."""

NOT_SET = ("plugins", "budget_share", "reference")
"""Fields of a run that follow from other settings."""

OF_TASK = ("dataset.task", "dataset.metric")
"""Fields of a data set that follow from what it is."""

TUNED = "recipe.methods"
"""What a recipe sets for single methods: ``recipe.methods.rigl.interval``."""


MODEL_ALIASES = {"lenet_300_100": "mlp"}
"""Other names of models; a run has the model's own."""


def choices(group: str) -> list[str]:
    """Return the names that a group offers, or every suite for the group ``suite``."""
    if group == "method":
        return sorted(methods())
    if group == "budget":
        return sorted(KINDS)
    return list(_members(group, own_settings()))


def settings(method: type) -> dict[str, Any]:
    """Return the type of every setting by its full name, ``recipe.lr``, in a run of this method."""
    return {**_common(), **_of_method(method)}


def setting(name: str, method: type) -> Any:
    """Return the type of a setting.

    Args:
        name: Its full name.
        method: Whose hyper-parameters the run has.

    Raises:
        UsageError: There is no such setting; the message names what is allowed, and what may have been meant.
    """
    if name.startswith(f"{TUNED}."):
        other, _, field = name.removeprefix(f"{TUNED}.").partition(".")
        if other not in methods():
            raise unknown(f"method in {TUNED}", other, methods())
        if not field:
            raise UsageError(f"{name} holds several settings: set one of them, {name}.SETTING=VALUE")
        return setting(f"method.{field}", type(methods()[other]))
    allowed = settings(method)
    if name not in allowed:
        raise _unknown(name, allowed)
    return allowed[name]


def _unknown(name: str, allowed: dict[str, Any]) -> UsageError:
    if name == "method.name":
        return UsageError("method.name cannot be set: choose the method with method=NAME")
    if name.startswith(OF_TASK):
        return UsageError(f"{name} cannot be set: task and metric are those of the data set, dataset=NAME")
    first = name.partition(".")[0]
    if first == "hydra":
        return UsageError(f"{name} is a setting of Hydra, which this command line does not run; drop it")
    if first == "plugins":
        return UsageError("plugins cannot be set: name the file itself, as in method=path/file.py:Class")
    group, dot, last = name.rpartition(".")
    here = sorted(full.removeprefix(group + dot) for full in allowed if full.rpartition(".")[0] == group)
    here += [] if dot else GROUPS
    elsewhere = [full for full in allowed if full.rpartition(".")[2] == last]
    meant = elsewhere[0] if elsewhere else nearest(last, here)
    hint = f"; did you mean {meant!r}?" if meant else ""
    return UsageError(f"unknown setting {name!r}: allowed are {', '.join(here or sorted(GROUPS))}{hint}")


@lru_cache
def _members(group: str, own: OwnFiles) -> tuple[str, ...]:
    """Return what the tree and installed packages offer, without importing a package."""
    installed = entry_points.names(f"sparsebench.{group}s") if group in ("dataset", "model") else []
    others = MODEL_ALIASES if group == "model" else {}
    return tuple(sorted({*settings_files(group, own), *installed, *others}))


def own_name(group: str, name: str) -> str:
    """Return the name of a member by one of its names; a settings file or an installed model of that name is first."""
    if group != "model" or name not in MODEL_ALIASES:
        return name
    taken = name in settings_files(group) or name in entry_points.names("sparsebench.models")
    return name if taken else MODEL_ALIASES[name]


@lru_cache
def _common() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind in typing.get_type_hints(RunConfig).items():
        if name in PARTS:
            found |= {f"{name}.{field}": of for field, of in typing.get_type_hints(PARTS[name]).items()}
        elif name not in ("method", *NOT_SET):
            found[name] = kind
    for name in (*(f"recipe.{part}" for part in APPLIED), *OF_TASK):
        del found[name]
    return found | POSITIONS


@lru_cache
def _of_method(method: type) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(method) if field.name != "name"]
    try:
        kinds = typing.get_type_hints(method)
    except (NameError, TypeError):  # annotations that only a type checker can resolve: Hydra reads the values
        kinds = {}
    return {f"method.{name}": kinds.get(name) for name in names}
