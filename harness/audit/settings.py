"""Checks of what a record says of its settings: values that no run could have been configured with."""

from dataclasses import fields
from typing import Any

from harness.config.check_recipe import check_recipe
from harness.config.schema import RecipeConfig
from harness.errors import UsageError
from harness.records import Record, identity
from harness.records.changes import HISTORY
from harness.records.identity import RESULTS
from harness.vocabulary import DEVICES

_COMPUTED_ON = tuple(name for name in DEVICES if name != "auto")


def refusals(record: Record) -> list[str]:
    """Return which settings of a finished run cannot be.

    Args:
        record: A record that keeps its schema.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
    """
    config, found = record["config"], _version(record)
    if (device := config.get("device")) not in _COMPUTED_ON:
        found.append(f"config.device: {device!r} is not one of {', '.join(_COMPUTED_ON)}")
    if (runner := config["runner"]["name"]) != record["runner"]:
        found.append(f"config.runner.name: {runner!r}, but the runner is {record['runner']!r}")
    if record["reason"] is not None:
        found.append(f"reason: {record['reason']!r}, but the run is done")
    for name in ("energy_joules", "throttled", "power_capped"):
        if record["provenance"]["gpu"] is None and record["cost"].get(name) is not None:
            found.append(f"{name}: {record['cost'][name]}, which is measured of a GPU, and there was none")
    try:
        check_recipe(recipe(config))
    except UsageError as error:
        found.append(f"config: {error}")
    return found


def _version(record: Record) -> list[str]:
    """Refuse a version of the results that never changed such a run; 1 is that of the first."""
    run, version = identity.settings(record["config"]), record["code"]["results"]
    allowed = ["1", *(change.version for change in HISTORY if change.affects(run))]
    if version in allowed:
        return []
    return [f"code.results: {version}, of such a run it is {' or '.join(allowed)} (known here are 1 to {RESULTS})"]


def recipe(config: dict[str, Any]) -> RecipeConfig:
    """Return the recipe of a record, with today's defaults of what it does not say.

    Raises:
        KeyError, TypeError: There is none, or it lacks what has no default.
    """
    known = {field.name for field in fields(RecipeConfig)}
    # How many threads are too many depends on the machine.
    given = {name: value for name, value in config["recipe"].items() if name in known} | {"threads": None}
    return RecipeConfig(**given)
