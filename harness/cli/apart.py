"""What tells runs apart that a plan would show alike: the settings in which they differ."""

import dataclasses
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from harness.config import RunConfig, plain
from harness.records import identity

_FOLLOWS = {"dataset.train_examples": "dataset.subset", "dataset.test_examples": "dataset.test_subset"}
"""Settings that follow from others, which say it all."""

_RECIPE = "recipe.name"


def settings(runs: Sequence[RunConfig], alike: Sequence[Hashable]) -> list[str]:
    """Return for each run the settings in which it differs from others, ``"method.batches=10, recipe.lr=0.1"``.

    Args:
        runs: The runs.
        alike: What else is shown of each; those that share it are told apart.

    Returns:
        A text for each run; empty where nothing is needed, or where only the machine differs.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, look in enumerate(alike):
        groups.setdefault(look, []).append(place)
    found: list[list[str]] = [[] for _ in runs]
    for places in groups.values():
        if len(places) > 1:
            _tell({place: _settings(runs[place]) for place in places}, found)
    return [", ".join(each) for each in found]


def _tell(members: Mapping[int, Mapping[str, Any]], found: list[list[str]]) -> None:
    """Note for each member in which settings it differs from the others; those of other recipes need not say more."""
    recipes = {values[_RECIPE] for values in members.values()}
    if len(recipes) > 1:
        for name in recipes:
            same = {place: values for place, values in members.items() if values[_RECIPE] == name}
            for place in same:
                found[place].append(f"recipe={name}")
            _tell(same, found)
        return
    names = {name: None for values in members.values() for name in values}
    differing = [name for name in names if len({_text(values.get(name)) for values in members.values()}) > 1]
    for place, values in members.items():
        found[place] += [
            f"{name}={_text(values.get(name))}" for name in differing if _FOLLOWS.get(name) not in differing
        ]


def _settings(run: RunConfig) -> dict[str, Any]:
    """Return the settings that identify a run by their full names, also those that `harness.config.to_dict` leaves out.

    The widths and shares that a plan works out are left out.
    """
    known = dict(_flat(dataclasses.asdict(run)))
    of_groups = {f"{group}.{name}" for group, names in plain.NEWER.items() for name in names}
    identifying = {name for name, _ in _flat(identity.settings(plain.to_dict(run)))} | of_groups
    return {name: value for name, value in known.items() if name in identifying and not name.startswith("reference")}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:
    """Write a value as the command line takes it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
