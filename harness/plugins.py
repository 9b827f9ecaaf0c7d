"""Plug-ins: methods, models and data sets from a file, ``method=path/file.py:Class``, or from installed packages.

A method is a subclass of `sparsebench.Method`. A model is a function of the number of classes and the shape of an
image, (channels, height, width), or of another input, that returns a module. A data set is a function that returns its
images and labels, or a subclass of `sparsebench.Task` (`harness.tasks.data.plugin`).
"""

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import UsageError, reason, short, unknown
from harness.records.source import asked_for, is_plain, source_digest
from methods import Method, entry_points, registry

GROUPS = ("method", "model", "dataset")
"""What a plug-in can add to; installed packages use the entry-point groups ``sparsebench.methods`` and so on."""

_ROOMS = {"model": "harness.tasks.models.registry", "dataset": "harness.tasks.data.plugin"}


def load(group: str, text: str) -> str:
    """Import a plug-in from a file and register it; a file that has changed since is imported anew.

    Args:
        group: One of `GROUPS`.
        text: ``path/file.py:object``.

    Returns:
        The name it is registered under: what a method's ``@register`` says, else the name of the class or function, or
        ``object`` where no ``def`` or ``class`` makes it.

    Raises:
        UsageError: The file cannot be imported, has no such object, the object is of another kind, or its name is
            taken.
    """
    path, name = _split(group, text)
    try:
        module = _module(path, _sha256(path))
        plugin = getattr(module, name, None)
        if plugin is None:
            own = (each for each, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)
            public = [each for each in own if not each.startswith("_")]
            raise unknown(f"object of {path.name}", name, public)
        if not (inspect.isroutine(plugin) or isinstance(plugin, type)):
            raise TypeError(f"{plugin!r:.80} is not a {'class' if group == 'method' else 'function'}")
        asked_for(plugin, module)
        return add_method(plugin, name) if group == "method" else _add_function(group, plugin, name)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # importing a file runs its author's code
        raise UsageError(f"{group}={text} cannot be used: {reason(error, path)}") from None


def load_requested(request: Mapping[str, Any], groups: Collection[str] = GROUPS) -> None:
    """Load the plug-ins that the request of a run names.

    Args:
        request: ``plugins``, such as ``{"method": "/path/file.py:Class"}``, and what was planned with them:
            ``sources``, their digests, and in ``provenance`` the fingerprint of the data.
        groups: Those to load.

    Raises:
        UsageError: See `load`; or a plug-in is not what it was when the run was planned.
    """
    for group, text in (request.get("plugins") or {}).items():
        if group in groups:
            name = load(group, text)
            if _digest(group, name, request) not in (request["sources"].get(group), None):
                raise UsageError(f"{group} {name!r} has changed since the run was planned: run it again")


def load_installed() -> None:
    """Load what installed packages bring; one that fails is named on stderr and skipped."""
    registry.methods()
    for group in _ROOMS:
        if entry_points.names(f"sparsebench.{group}s"):
            _room(group).load_installed()


def contents(plugins: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the hash of each plug-in's file by group."""
    return tuple((group, _sha256(_split(group, text)[0])) for group, text in sorted(plugins.items()))


def dataset_settings(name: str, root: str | None, shape: Sequence[int] = ()) -> dict[str, Any]:
    """Return the settings that follow from the data of a plug-in, or of a folder whose content decides its counts.

    Args:
        name: Of the data set.
        root: ``dataset.root``.
        shape: Of an input, where it does not follow from the data.

    Raises:
        UsageError: The data cannot be read.
    """
    where = {"name": name, "root": root, "download": False, "shape": list(shape)}
    found: dict[str, Any] = _room("dataset").settings(where)
    return found


def task_metric(name: str) -> dict[str, Any]:
    """Return what a record holds of the metric of a task.

    Raises:
        UsageError: There is no such task.
    """
    found: dict[str, Any] = importlib.import_module("harness.tasks.base").named(name).metric.described()
    return found


def dataset_counts(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts of a folder of images that is there, by name; nothing for any other data.

    Raises:
        UsageError: The folder cannot be used.
    """
    found: dict[str, int] = importlib.import_module("harness.tasks.data").found(config)
    return found


def absolute(text: str) -> str:
    """Return ``path/file.py:object`` with an absolute path."""
    path, _, name = text.rpartition(":")
    return f"{Path(os.path.expanduser(path)).resolve()}:{name}"


def is_foreign(method: Method) -> bool:
    """Whether a method is a plug-in, whose hooks may raise or return anything."""
    return not registry.is_own(method)


def unusable(method: Method, error: Exception) -> UsageError:
    """Build the error for a method that raised, or returned what nothing can be made of, before its run."""
    why = reason(error, inspect.getfile(type(method)))
    return UsageError(f"method {method.name!r} cannot be planned: {why}")


def _split(group: str, text: str) -> tuple[Path, str]:
    path, _, name = absolute(text).rpartition(":")
    if not path.endswith(".py") or not name.isidentifier():
        raise UsageError(f"{group}={short(text)} does not name a file and an object in it: path/file.py:object")
    if not os.path.isfile(path):
        raise UsageError(f"{group}={text}: {path} is not a file")
    return Path(path), name


@cache
def _module(path: Path, content: str) -> ModuleType:
    """Import a file as a module of its own; what an earlier content of it registered is forgotten."""
    name = "plugin_" + hashlib.sha256(str(path).encode()).hexdigest()[:12]
    _forget(name)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        _forget(name)
        raise
    return module


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(group: str, name: str, request: Mapping[str, Any]) -> str | None:
    """Return what identifies a plug-in's code; None for a function that returns data, which have a fingerprint."""
    if group == "method":
        return source_digest(registry.METHODS[name])
    if group == "model":
        return source_digest(_room(group).builder(name))
    found: str | None = _room(group).digest(name)
    return found


def _forget(module: str) -> None:
    registry.forget(module)
    for room in _ROOMS.values():
        if room in sys.modules:
            sys.modules[room].forget(module)


def _room(group: str) -> Any:
    """Import what takes the plug-ins of a group, by name: it belongs to a room above this one."""
    return importlib.import_module(_ROOMS[group])


def add_method(plugin: Any, name: str = "") -> str:
    """Register a method class, under its own name unless it has one, and return that name.

    Args:
        plugin: The class.
        name: What it was asked for by, which is its name where no ``class`` statement gives it one.

    Raises:
        TypeError: It is not a method.
        ValueError: Another method has the name.
    """
    if not (isinstance(plugin, type) and issubclass(plugin, Method)):
        raise TypeError(f"{plugin!r} is not a subclass of sparsebench.Method")
    if registry.name_of(plugin) is None:
        registry.methods()  # so that a built-in name is found to be taken
        registry.register(plugin.__name__ if is_plain(plugin) or not name else name)(plugin)
    return str(registry.name_of(plugin))


def _add_function(group: str, plugin: Any, name: str) -> str:
    """Register a function, or a task, and return its name."""
    if is_plain(plugin):
        name = plugin.__name__
    elif inspect.isclass(plugin) and vars(plugin).get("name") == plugin.__name__:
        task: Any = plugin
        task.name = name  # two tasks that one function makes are two tasks
    _room(group).add(name, plugin)
    return name
