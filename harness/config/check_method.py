"""Which settings of a method decide on anything: one that does not, and is set, would make another row of equal runs.

Methods say so by what they are. One whose interval is 0 by default has no events at intervals. ``distribution`` decides
where its layer densities are asked for: in `Method.start`, or by the method's own code, which is searched for them.
"""

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from harness import plugins
from harness.config.schema import RunConfig
from harness.errors import UnfitError
from methods import Method
from methods.cyclic import INITS, Cyclic

_SHARED = ("distribution", "interval")
"""The settings that every method has."""
_GENERATED = ("__init__", "__repr__", "__eq__", "__hash__", "__replace__")
"""What a dataclass is given, which names every field."""
_HALF = 0.5
"""A target density that stands for any, where a run asks for dense training, as a sparse suite's reference does."""


def check_read(run: RunConfig) -> None:
    """Refuse a setting that the method of a run does not read, unless it has its default.

    Of a method without masks they become the default instead (`harness.config.checked`).

    Raises:
        UnfitError: It names the setting, the method and what that reads.
    """
    if not run.method.masked:
        return
    for name in _SHARED:
        require_read(run.method, name, getattr(run.method, name), 1 - run.sparsity)


def require_read(method: Method, name: str, value: Any, target: float = _HALF) -> None:
    """Refuse another value than the default of a setting that a method does not read.

    Args:
        method: With its hyper-parameters.
        name: Of one of the settings that every method has.
        value: What it is to be.
        target: Global density at the end.

    Raises:
        UnfitError: See `check_read`.
    """
    usual = {field.name: field.default for field in fields(method)}
    if value == usual[name] or reads(method, name, target):
        return
    read = [each for each in usual if each != "name" and (each not in _SHARED or reads(method, each, target))]
    raise UnfitError(
        f"method.{name} {value} changes nothing of method {method.name!r}, which reads "
        f"{', '.join(read) or 'no setting'}: leave it out"
    )


def reads(method: Method, name: str, target: float = _HALF) -> bool:
    """Return whether a setting that every method has decides on anything.

    Args:
        method: With its hyper-parameters.
        name: ``distribution`` or ``interval``.
        target: Global density at the end.
    """
    if name == "interval":
        return any(field.name == name and bool(field.default) for field in fields(method))
    if isinstance(method, Cyclic):
        method = INITS[method.init]()
    kind: Any = type(method)
    names = _names(kind)
    if "distribution" in names:
        return True
    inherited = kind.layer_densities is Method.layer_densities or _asks_for_those_of_a_base(kind)
    if not inherited:
        return False
    if not method.prunes_globally or names & {"layer_counts", "layer_densities"}:
        return True
    drawn = kind.start is Method.start or "start" in names
    return drawn and _initial_density(method, target if target < 1 else _HALF) < 1


def _initial_density(method: Method, target: float) -> float:
    try:
        return float(method.initial_density(target))
    except Exception as error:
        if not plugins.is_foreign(method):
            raise
        raise plugins.unusable(method, error) from None


@cache
def _asks_for_those_of_a_base(kind: Any) -> bool:
    """Return whether a method's own `layer_densities` calls those that it overrides."""
    return any("layer_densities" in _of_code(own) for own in _functions(kind, "layer_densities"))


@cache
def _names(kind: Any) -> frozenset[str]:
    """Return the names and words in a method's own code: of its class, its bases up to `Method`, and what they use."""
    return frozenset(name for own in _functions(kind) for name in _of_function(own, set()))


def _functions(kind: type, only: str | None = None) -> Iterator[FunctionType]:
    """Yield the functions that a class and its bases define, but those of `Method` and what a dataclass is given."""
    for cls in kind.__mro__:
        if cls in (*Method.__mro__, object):
            continue
        for name, value in vars(cls).items():
            if name in _GENERATED or only not in (None, name):
                continue
            parts = [value, *(getattr(value, inner, None) for inner in ("__func__", "fget", "func"))]
            yield from (part for part in parts if isinstance(part, FunctionType))


def _of_function(function: FunctionType, seen: set[object]) -> Iterator[str]:
    """Yield the names in the code of a function and of the functions and classes of its package that it uses."""
    if function in seen:
        return
    seen.add(function)
    home = function.__module__.partition(".")[0]
    for name in _of_code(function):
        yield name
        used = function.__globals__.get(name)
        if getattr(used, "__module__", "").partition(".")[0] != home:
            continue
        if isinstance(used, FunctionType):
            yield from _of_function(used, seen)
        elif isinstance(used, type) and not issubclass(used, Method):
            yield from (name for own in _functions(used) for name in _of_function(own, seen))


def _of_code(function: FunctionType) -> set[str]:
    """Return the names and words in the code of a function, and of those inside it."""
    found, pending = set[str](), [function.__code__]
    while pending:
        code = pending.pop()
        found |= {*code.co_names, *(each for each in code.co_consts if isinstance(each, str))}
        pending += [each for each in code.co_consts if isinstance(each, CodeType)]
    return found
