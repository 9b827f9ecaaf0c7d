"""Has runs use the settings that a tuning chose, and says in records how settings were chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import config
from harness.config import RunConfig
from harness.errors import UsageError
from harness.records import identity
from harness.tuning import published
from harness.tuning.result import Tuning, named, read
from harness.tuning.space import Settings

HERE = "true"
"""``tuned=true`` looks for the tuning in the run's own output."""

_TASK = ("dataset", "model", "recipe", "budget", "method", "dense_layers")


def task(run: RunConfig) -> dict[str, Any]:
    """Return the settings of a run that its tuning belongs to: all but sparsity, seed and the machine's.

    One setting serves all sparsities and seeds (RULES.md, rule 4). A width that follows from the sparsity is left out.
    """
    found = identity.settings(config.to_dict(run))
    kept = {name: found[name] for name in _TASK if name in found}
    kept["model"] = {name: value for name, value in kept["model"].items() if name != "width"}
    return kept


def values(run: RunConfig, names: Iterable[str]) -> Settings:
    """Return the values of some settings of a run's recipe and method, by their full names."""
    parts = {"recipe": run.recipe, "method": run.method}
    return {name: getattr(parts[group], field) for name in names for group, _, field in [name.partition(".")]}


def with_settings(run: RunConfig, settings: Settings) -> RunConfig:
    """Return a run with other settings of its recipe and method.

    Raises:
        UsageError: One of them is out of range.
    """
    parts: dict[str, dict[str, Any]] = {"recipe": {}, "method": {}}
    for name, value in settings.items():
        group, _, field = name.partition(".")
        parts[group][field] = value
    try:
        method = replace(run.method, **parts["method"])
    except ValueError as error:
        raise UsageError(str(error)) from None
    return config.checked(replace(run, recipe=replace(run.recipe, **parts["recipe"]), method=method))


def applied(run: RunConfig) -> RunConfig:
    """Return a run with the settings that its ``tuned`` chose, and that file named in full; itself if it has none.

    Args:
        run: A run; applying a second time changes nothing.

    Raises:
        UsageError: There is no such tuning, it is of another task, or a setting that it chose was given as well.
    """
    if not run.tuned:
        return run
    path = _find(run) if run.tuned == HERE else Path(run.tuned)
    tuning = read(path)
    if why := _differs(tuning, run):
        raise UsageError(f"tuned={path}: is of another run: {why}")
    if tuning.chosen is None:
        raise UsageError(f"tuned={path}: none of its trials is done at the sparsity, so nothing was chosen")
    return replace(with_settings(run, tuning.settings), tuned=str(path.resolve()))


def described(run: RunConfig) -> dict[str, Any]:
    """Return what the record of a run says of how its settings were chosen.

    Args:
        run: As `applied` returned it.

    Raises:
        UsageError: The tuning that it names cannot be read any more.
    """
    if run.tuned:
        return read(Path(run.tuned)).described()
    return {"chosen": "paper" if published.holds(run) else "default"}


def _find(run: RunConfig) -> Path:
    """Return the file in a run's output whose tuning fits it.

    Raises:
        UsageError: None does, and the message says what the nearest is of; or several do.
    """
    folder = Path(run.output) / "tuning"
    what = f"{run.method.name} on {run.dataset.name}/{run.model.name}"
    found, others = [], [""]
    for path in sorted(folder.glob("*/trials_*.json")):
        try:
            tuning = read(path)
            why = _differs(tuning, run)
        except UsageError as error:  # it may be of another run
            others.append(f"; {error}")
            continue
        if not why:
            found.append(path)
        elif named(tuning.task) == named(task(run)) and tuning.task["method"]["name"] == run.method.name:
            others.append(f"; {path} has {why}")
    if not found:
        raise UsageError(f"tuned=true: no tuning of {what} with these settings in {folder}{others[-1]}")
    if len(found) > 1:
        raise UsageError(f"tuned=true: several tunings of {what} fit; name one of {', '.join(map(str, found))}")
    return found[0]


def _differs(tuning: Tuning, run: RunConfig) -> str:
    """Say how a run differs from the one that was tuned; nothing if it does not, or has the chosen settings already."""
    mine, theirs = _flat(task(run)), _flat(tuning.task)
    for name in sorted(mine.keys() | theirs.keys()):
        if name not in tuning.space:
            if mine.get(name) != theirs.get(name):
                return f"{name}={theirs.get(name)}, here {mine.get(name)}"
        elif tuning.chosen is not None and mine.get(name) not in (tuning.space[name].usual, tuning.settings[name]):
            return f"{name}={tuning.settings[name]}, here {mine.get(name)} was given; drop it"
    return ""


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    parts = {name: part if isinstance(part, dict) else {"": part} for name, part in settings.items()}
    return {f"{name}.{inner}".rstrip("."): value for name, part in parts.items() for inner, value in part.items()}
