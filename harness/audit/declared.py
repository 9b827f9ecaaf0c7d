"""What a config says of its method: the same as the method itself, where it is known here."""

import dataclasses
import json
from functools import lru_cache
from typing import Any

from harness.records.identity import canonical
from methods import Method, methods
from methods.comparison import ShortDense, SmallDense

_ROUNDED = 1.5**2  # channels round to whole numbers, of 1.49 to 1 at most, on both sides of a layer


def refusals(config: dict[str, Any]) -> list[str]:
    """Return what a config says of its method's masks, and the method does not.

    Nothing of a method that is not registered here, as one from a plug-in, whose word has to do.

    Args:
        config: ``probe``, ``pattern`` and ``reaches`` are absent where the method declares nothing.

    Raises:
        KeyError, TypeError, ValueError: The config lacks a part, or a setting of the method is not what it can be.
    """
    method = built(config["method"])
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
    ] + _compared(method, config)


def _compared(method: Method, config: dict[str, Any]) -> list[str]:
    """Return what a config says of a narrower or shorter net, and the method does not make of it."""
    kinds = (("reference", SmallDense), ("budget_share", ShortDense))
    if foreign := [name for name, kind in kinds if name in config and not isinstance(method, kind)]:
        return [f"{name}: the config has one, the method {method.name} has none" for name in foreign]
    if not isinstance(method, SmallDense):
        return []
    if "reference" not in config:
        return [f"reference: missing, which the sparsity of {method.name} refers to"]
    weights, full = sum(layer["weights"] for layer in config["layers"]), config["reference"]["maskable"]
    width = config["model"].get("width", 1)
    if method.equal == "weights" and weights > (1 - config["sparsity"]) * full + 2:
        return [f"reference: {weights} weights are more than a net of sparsity {config['sparsity']} has of {full}"]
    if full * width**2 > _ROUNDED * weights:
        return [f"reference: width {width} leaves more than {weights} of {full} weights"]
    return []


def built(settings: dict[str, Any]) -> Method | None:
    """Return a method with the settings of a record; those that it no longer has are left out.

    Records with the same settings share one; it is not to be changed. None of a name that is not registered here.
    """
    known = methods().get(settings["name"])
    return None if known is None else _built(settings["name"], type(known).__module__, canonical(settings))


@lru_cache(maxsize=1024)
def _built(name: str, module: str, settings: str) -> Method:
    known = methods()[name]  # the module tells a plug-in from another that was registered under its name
    fields = {field.name for field in dataclasses.fields(known)}
    return dataclasses.replace(known, **{name: value for name, value in json.loads(settings).items() if name in fields})
