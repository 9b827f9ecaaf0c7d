"""Every method by name: the built-in ones and those that plug-ins add."""

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, TypeVar

from methods import entry_points
from methods.base import Look, Method

ENTRY_POINTS = "sparsebench.methods"

METHODS: dict[str, Method] = {}
"""What is registered so far; `methods` makes sure that it is everything."""

_M = TypeVar("_M", bound=type[Method])


def register(name: str) -> Callable[[_M], _M]:
    """Register a method class under ``name``, as a decorator.

    Raises:
        ValueError: Another class has that name.
        TypeError: The class is not a `Method`.
    """

    def add(cls: _M) -> _M:
        if not (isinstance(cls, type) and issubclass(cls, Method)):
            raise TypeError(f"{cls!r} is not a subclass of Method")
        for words in ("family", "summary", "paper"):
            if not isinstance(getattr(cls, words), str):
                raise TypeError(f"{cls.__name__}.{words} is not a string")
        for flag in ("masked", "prunes_globally", "exact", "own_decay", "recordable"):
            if not isinstance(getattr(cls, flag), bool):
                raise TypeError(f"{cls.__name__}.{flag} is not a boolean")
        if not isinstance(cls.look, Look | None):
            raise TypeError(f"{cls.__name__}.look is not a Look")
        if name in METHODS and type(METHODS[name]) is not cls:
            raise ValueError(f"method {name!r} exists already")
        METHODS[name] = cls(name=name)
        return cls

    return add


def methods() -> dict[str, Method]:
    """Return every registered method with its default hyper-parameters, by name.

    The order is that of the modules here, then that in which plug-ins were registered, whatever was imported first.
    The first call imports the modules of this package and the plug-ins of the entry-point group
    ``sparsebench.methods``; a plug-in that cannot be imported is named on stderr and skipped.
    """
    _import_all()
    return dict(METHODS)


def is_own(method: Method) -> bool:
    """Whether a method is of this package rather than a plug-in."""
    return type(method).__module__.partition(".")[0] == "methods"


def build(fields: dict[str, Any]) -> Method:
    """Make a method from its config (``name`` and hyper-parameters).

    Raises:
        KeyError: No method has that name.
        ValueError: A hyper-parameter is out of range.
    """
    # One that is here already spares the search of all installed packages for plug-ins.
    known = METHODS if fields["name"] in METHODS else methods()
    return dataclasses.replace(known[fields["name"]], **fields)


def name_of(cls: type[Method]) -> str | None:
    """Return the name that a class is registered under, if any."""
    return next((name for name, method in METHODS.items() if type(method) is cls), None)


def forget(module: str) -> None:
    """Remove the methods whose classes come from a module, before it is imported anew."""
    for name in [name for name, method in METHODS.items() if type(method).__module__ == module]:
        del METHODS[name]


def import_own() -> None:
    """Import the modules of this package, which registers their methods; plug-ins are not imported."""
    package = importlib.import_module("methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"methods.{module.name}")


@functools.cache
def _import_all() -> None:
    import_own()
    ordered = sorted(METHODS.items(), key=lambda item: _own_module(item[1]))
    METHODS.clear()
    METHODS.update(ordered)
    entry_points.load(ENTRY_POINTS, _add)


def _own_module(method: Method) -> tuple[bool, str]:
    return not is_own(method), type(method).__module__ if is_own(method) else ""


def _add(name: str, plugin: object) -> None:
    """Register what an entry point names: a class, unless importing its module has registered it."""
    if isinstance(plugin, type) and name_of(plugin) is None:
        register(name)(plugin)
