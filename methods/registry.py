"""Every method by name: the built-in ones and those that entry points add."""

import dataclasses
import hashlib
import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points
from typing import Any, TypeVar

from methods.base import Method

ENTRY_POINTS = "sparsebench.methods"

_METHODS: dict[str, Method] = {}
_M = TypeVar("_M", bound=type[Method])


def register(name: str, **settings: Any) -> Any:
    """Register a method class under ``name``, as a decorator; ``settings`` replace the defaults of its fields.

    One class may be registered under several names with different settings.

    Raises:
        ValueError: The name is taken by another class or settings.
    """

    def add(cls: _M) -> _M:
        prototype = cls(name=name, **settings)
        if name in _METHODS and _METHODS[name] != prototype:
            raise ValueError(f"method {name!r} is registered twice")
        _METHODS[name] = prototype
        return cls

    return add


def methods() -> dict[str, Method]:
    """Return every registered method with its default hyper-parameters, by name.

    Imports the modules of this package, then those named by entry points of the group ``sparsebench.methods``.
    """
    package = importlib.import_module("methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"methods.{module.name}")
    for entry in entry_points(group=ENTRY_POINTS):
        entry.load()
    return dict(_METHODS)


def build(fields: dict[str, Any]) -> Method:
    """Make a method from its config (``name`` and hyper-parameters).

    Raises:
        KeyError: No method has that name.
        ValueError: A hyper-parameter is out of range.
    """
    return dataclasses.replace(methods()[fields["name"]], **fields)


def source_sha256(method: Method) -> str:
    """Hash the source files that define a method: its class's and those of its bases, in this order."""
    digest = hashlib.sha256()
    files = dict.fromkeys(inspect.getsourcefile(cls) for cls in type(method).__mro__ if issubclass(cls, Method))
    for file in files:
        if file is not None:
            with open(file, "rb") as source:
                digest.update(hashlib.sha256(source.read()).digest())
    return digest.hexdigest()
