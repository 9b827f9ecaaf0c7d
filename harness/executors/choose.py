"""Picks an executor by its name, and reads its options: ``benchmarks/executor/NAME.yaml`` and ``executor.NAME=VALUE``.

The file of an executor other than the local one has a dataclass ``Options`` and a function ``make``, see `Module`. It
is imported only when it is asked for, since its library belongs to an extra.
"""

import importlib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from harness import extras
from harness.config import values
from harness.errors import UsageError, short, unknown
from harness.places import settings_files

if TYPE_CHECKING:  # a command line is judged before torch is imported
    from harness.board.spending import Plan
    from harness.executors.base import Executor

EXECUTORS: dict[str, str | None] = {"local": None, "slurm": "submitit", "ray": "ray"}
"""Every executor, with the library that it needs."""

_PREFIX = "executor."


class Module(Protocol):
    """What the file of an executor offers."""

    Options: type
    """A dataclass; the options have the names, types and defaults of its fields."""

    def make(  # noqa: D102
        self,
        options: Any,
        *,
        jobs: int | None,
        looks: "Plan | None",
        retries: int,
        max_failures: int | None,
        wait: bool,
        output: Path,
    ) -> "Executor": ...


def split(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the overrides that are options of an executor, and the others."""
    mine = [override for override in overrides if override.startswith(_PREFIX)]
    return mine, [override for override in overrides if not override.startswith(_PREFIX)]


def require(name: str, overrides: Sequence[str]) -> None:
    """Make sure that there is such an executor; imports nothing heavy.

    Args:
        name: Of the executor.
        overrides: Its options.

    Raises:
        UsageError: There is no such executor, or it is the local one, which has no options.
        MissingExtraError: The library that it needs is not installed.
    """
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS)
    library = EXECUTORS[name]
    if library is not None:
        extras.require(library)
    elif overrides:
        raise UsageError(f"{short(overrides[0])}: the {name} executor has no options")


def options(name: str, overrides: Sequence[str]) -> Any:
    """Read the options of an executor; None for the local one, which has none.

    Args:
        name: Of the executor.
        overrides: Such as ``executor.partition=high``; the last of a name counts, and comes before the file.

    Raises:
        UsageError: There is no such executor or option, or a value is of another type.
        MissingExtraError: The library that it needs is not installed.
    """
    require(name, overrides)
    if EXECUTORS[name] is None:
        return None
    kinds = typing.get_type_hints(_module(name).Options)
    given = _of_file(name, kinds)
    for override in overrides:
        option, equals, text = override.removeprefix(_PREFIX).partition("=")
        if not equals:
            raise UsageError(f"{short(override)} is not an override: write {_PREFIX}NAME=VALUE")
        option, dot, inner = option.partition(".")
        kind = _kind(name, option, kinds)
        if kind is dict and dot and inner:
            given[option] = {**given.get(option, {}), inner: text}
        elif kind is dict or dot:
            raise UsageError(f"{short(override)} is not an option: " + _written(option, kind))
        else:
            given[option] = values.read(_PREFIX + option, kind, text)
    return _module(name).Options(**given)


def make(
    name: str,
    chosen: Any,
    *,
    jobs: int | None,
    looks: "Plan | None",
    bounds: Mapping[str, Any],
    output: Path,
) -> "Executor":
    """Return an executor other than the local one.

    Args:
        name: Of the executor.
        chosen: Its `options`.
        jobs: Jobs or runs at a time; None for what the options say.
        looks: The plan that the runs' records carry, if it decides the number of seeds.
        bounds: ``retries``, ``max_failures`` and ``wait``, as `harness.executors.local.LocalExecutor` takes them.
        output: The folder of the results, which workers share.

    Raises:
        UsageError: It cannot be used here.
    """
    return _module(name).make(chosen, jobs=jobs, looks=looks, output=output, **bounds)


def _module(name: str) -> Module:
    return typing.cast(Module, importlib.import_module(f"harness.executors.{name}"))


def _of_file(name: str, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``benchmarks/executor/NAME.yaml``, of the current folder or of the project."""
    path = settings_files("executor")[name]
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} has to hold options, NAME: VALUE")
    return {str(option): _plain(path, option, _kind(name, option, kinds), value) for option, value in found.items()}


def _kind(name: str, option: object, kinds: Mapping[str, Any]) -> Any:
    if option not in kinds:
        raise unknown(f"option of the {name} executor", option, kinds)
    kind = kinds[str(option)]
    return dict if typing.get_origin(kind) is dict else kind


def _plain(path: Path, option: object, kind: Any, value: Any) -> Any:
    """Read a value of a file as that of a command line is read, so that both have the same rules."""
    name = f"{path}: {option}"
    if kind is dict:
        if not isinstance(value, dict):
            raise UsageError(f"{name}={short(value)} is not a mapping of names to values")
        return {str(inner): each for inner, each in value.items()}
    if isinstance(value, list) and typing.get_origin(kind) is list:
        return [str(each) for each in value]
    if value is None or isinstance(value, bool):
        return values.read(name, kind, {None: "null", True: "true", False: "false"}[value])
    return values.read(name, kind, str(value))


def _written(option: str, kind: Any) -> str:
    return f"write {_PREFIX}{option}.NAME=VALUE" if kind is dict else f"write {_PREFIX}{option}=VALUE"


def required(chosen: Any, name: str, least: int) -> None:
    """Make sure that an option is not less than it can be; None passes.

    Raises:
        UsageError: It is.
    """
    value = getattr(chosen, name)
    if value is not None and value < least:
        raise UsageError(f"{_PREFIX}{name}={value:g} is less than {least}")
