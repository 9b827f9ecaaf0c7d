"""What a config says of its method: the same as the method itself, where it is known here."""

import dataclasses
from typing import Any

from methods import Method, methods


def refusals(config: dict[str, Any]) -> list[str]:
    """Return what a config says of its method's masks, and the method does not.

    Nothing of a method that is not registered here, as one from a plug-in, whose word has to do.

    Args:
        config: ``probe``, ``pattern`` and ``reaches`` are absent where the method declares nothing.

    Raises:
        KeyError, TypeError, ValueError: The config lacks a part, or a setting of the method is not what it can be.
    """
    method = _built(config["method"])
    if method is None:
        return []
    target = 1 - config["sparsity"]
    probe, pattern = method.probe(target) if target < 1 else None, method.pattern(target)
    declared = {
        "probe": None if probe is None else dataclasses.asdict(probe),
        "pattern": None if pattern is None else pattern.described(),
        "reaches": None if method.exact else True,
    }
    return [
        f"{name}: the config has {config.get(name)!r}, the method {method.name} declares {value!r}"
        for name, value in declared.items()
        if config.get(name) != value
    ]


def _built(settings: dict[str, Any]) -> Method | None:
    """Return a method with the settings of a record; those that it no longer has are left out."""
    known = methods().get(settings["name"])
    if known is None:
        return None
    fields = {field.name for field in dataclasses.fields(known)}
    return dataclasses.replace(known, **{name: value for name, value in settings.items() if name in fields})
