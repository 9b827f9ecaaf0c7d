"""Spaces of hyper-parameters, and the trials drawn from them: the same trials for whoever tunes the same thing.

A space is a YAML file. ``shared`` holds settings of the recipe, in which every method is tuned, and ``methods`` the
hyper-parameters of single methods::

    shared:
      recipe.lr: {times: [0.3, 3]}                 # factors of the value that the run has otherwise, log-uniform
    methods:
      rigl:
        fraction: {low: 0.1, high: 0.6}            # uniform; log-uniform with scale: log
        growth: {choices: [gradient, random]}

Trials are points of a Halton sequence (Halton 1960), each dimension shifted modulo 1 (Cranley and Patterson 1976) by an
amount that follows from the task and the setting. So more trials begin with those of fewer, and methods meet the same
values of a shared setting. The settings that a run has without tuning are left out: they are the other ruleset's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from harness.config import RunConfig
from harness.config.check_recipe import check_unused
from harness.config.names import setting
from harness.errors import UsageError, unknown
from harness.places import settings_files
from harness.records.ruleset import TUNABLE
from harness.seeds import derive

Value = float | int | str | bool
Settings = dict[str, Value]
"""Values by the full names of their settings, ``recipe.lr`` or ``method.interval``."""

_DIGITS = 3  # of a value that is tried
_MOST_SKIPPED = 100  # points that give the settings without tuning
_MOST_SETTINGS = 20
_FORMS = ("times", "low", "high", "scale", "choices")
_SCALES = ("linear", "log")


@dataclass(frozen=True)
class Range:
    """The values that one setting is tried at.

    Attributes:
        usual: The value without tuning.
        low: The smallest value, of a number.
        high: The largest.
        scale: ``linear`` or ``log``: what is uniform, the value or its logarithm.
        choices: All values, of a setting that is not a number; else empty.
    """

    usual: Value
    low: float = 0.0
    high: float = 0.0
    scale: str = "linear"
    choices: tuple[Value, ...] = ()

    def at(self, share: float) -> Value:
        """Return the value at a share in [0, 1) of the range, rounded to three digits, or whole if the usual one is."""
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        if isinstance(self.usual, int):
            return round(value)
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)

    def plain(self) -> dict[str, Any]:
        """Return the range as records and files hold it."""
        if self.choices:
            return {"usual": self.usual, "choices": list(self.choices)}
        return {"usual": self.usual, "low": self.low, "high": self.high, "scale": self.scale}


Space = dict[str, Range]


def names() -> list[str]:
    """Return the spaces of the project."""
    return sorted(settings_files("tuning"))


def declared(space: str, run: RunConfig) -> Space:
    """Return the ranges that a space declares for a run's method.

    Args:
        space: A name in ``benchmarks/tuning``, or a file that ends in ``.yaml``.
        run: The run without tuning.

    Raises:
        UsageError: There is no such space, it is malformed, or declares nothing that the run has.
    """
    content = _read(space)
    forms = {str(name): form for name, form in content["shared"].items()}
    for name in forms:
        _require_tunable(f"space {space}", name)
        if name.startswith("method."):
            raise UsageError(f"space {space}: {name} is not shared: put it under methods:, by the method's name")
    forms |= {f"method.{field}": form for field, form in (content["methods"].get(run.method.name) or {}).items()}
    ranges = {name: _range(space, name, form, run) for name, form in forms.items()}
    if not ranges:
        raise UsageError(f"space {space}: declares nothing for the method {run.method.name}")
    check_unused(vars(run.recipe), ranges, f"space {space}: ")  # trials would spend a dimension on nothing
    return _ordered(ranges)


def from_plain(plain: Mapping[str, Any]) -> Space:
    """Return the ranges that a record or a file holds.

    Raises:
        UsageError: They are malformed.
    """
    found: Space = {}
    for name, form in plain.items():
        _require_tunable("space", name)
        if not isinstance(form, dict) or "usual" not in form:
            raise UsageError(f"space: {name} is not a range with its usual value")
        rest = {part: value for part, value in form.items() if part != "usual"}
        found[name] = _checked(f"space: {name}", form["usual"], rest)
    return _ordered(found)


def draw(space: Space, task: str, count: int) -> list[Settings]:
    """Draw trials.

    Args:
        space: The ranges.
        task: What is tuned, ``DATASET/MODEL``.
        count: How many trials.

    Raises:
        UsageError: The space holds hardly anything but the settings without tuning.
    """
    from scipy.stats import qmc  # takes most of a second

    sequence = qmc.Halton(len(space), scramble=False)
    shifts = [derive(0, "tuning", task, name) / 2**63 for name in space]
    usual = {name: one.usual for name, one in space.items()}
    drawn: list[Settings] = []
    for point in sequence.random(count + _MOST_SKIPPED):
        shifted = [(float(x) + shift) % 1 for x, shift in zip(point, shifts, strict=True)]
        settings = {name: space[name].at(share) for name, share in zip(space, shifted, strict=True)}
        if settings != usual:
            drawn.append(settings)
        if len(drawn) == count:
            return drawn
    raise UsageError(f"space: {', '.join(space)} holds hardly anything but the settings without tuning; widen it")


def _ordered(ranges: Space) -> Space:
    """Order settings: those of the recipe first, so that they have the same dimensions whatever the method."""
    if len(ranges) > _MOST_SETTINGS:
        raise UsageError(f"space: {len(ranges)} settings are over the largest number allowed, {_MOST_SETTINGS}")
    return {name: ranges[name] for name in sorted(ranges, key=lambda name: (name.startswith("method."), name))}


def _read(space: str) -> dict[str, dict[str, Any]]:
    path = Path(space) if space.endswith((".yaml", ".yml")) else settings_files("tuning").get(space)
    if path is None:
        raise unknown("space", space, names())
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"space {space}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise UsageError(f"space {space}: is not valid YAML") from None
    if not isinstance(content, dict) or not set(content) <= {"shared", "methods"}:
        raise UsageError(f"space {space}: has to hold shared: and methods:, and nothing else")
    found = {part: content.get(part) or {} for part in ("shared", "methods")}
    for part in (found["shared"], found["methods"], *found["methods"].values()):
        if not isinstance(part or {}, dict):
            raise UsageError(f"space {space}: shared and each of methods have to name settings with their ranges")
    return found


def _range(space: str, name: str, form: Any, run: RunConfig) -> Range:
    """Return the range of a setting of this run."""
    group, _, field = name.partition(".")
    setting(name, type(run.method))  # refuses a name that no setting has
    return _checked(f"space {space}: {name}", getattr(run.method if group == "method" else run.recipe, field), form)


def _require_tunable(what: str, name: str) -> None:
    group, _, field = name.partition(".")
    if group == "recipe" and field not in TUNABLE:
        raise UsageError(f"{what}: {name} cannot be tuned: of a recipe {', '.join(TUNABLE)} can")
    if group not in ("recipe", "method") or field == "name":
        raise UsageError(f"{what}: {name} cannot be tuned: settings of the recipe and of the method can")


def _checked(what: str, usual: Any, form: Any) -> Range:
    """Return the range that a form describes, around the usual value.

    Raises:
        UsageError: It describes none; the message begins with ``what``.
    """
    if not isinstance(form, dict) or not form or not set(form) <= set(_FORMS):
        raise UsageError(f"{what} takes times: [a, b], or low: and high:, or choices: [...]")
    if not isinstance(usual, int | float | str) or (isinstance(usual, float) and not math.isfinite(usual)):
        raise UsageError(f"{what} cannot be tuned: it is neither a number nor a word")
    if "choices" in form:
        return _choices(what, usual, form)
    if isinstance(usual, bool | str):
        raise UsageError(f"{what} is not a number, so it takes choices: [...]")
    if "times" in form:
        return _factors(what, usual, form)
    low, high, scale = form.get("low"), form.get("high"), form.get("scale", "linear")
    if not (_is_number(low) and _is_number(high) and low < high):
        raise UsageError(f"{what}: low and high have to be numbers, low the smaller one")
    if scale not in _SCALES or (scale == "log" and low <= 0):
        raise UsageError(f"{what}: scale is linear, or log above 0")
    return Range(usual, low, high, scale)


def _choices(what: str, usual: Value, form: dict[str, Any]) -> Range:
    choices = form["choices"]
    kinds = (bool,) if isinstance(usual, bool) else (str,) if isinstance(usual, str) else (int, float)
    if len(form) > 1 or not isinstance(choices, list) or len(choices) < 2:
        raise UsageError(f"{what}: choices has to list two values or more, and stands alone")
    if any(type(choice) not in kinds for choice in choices):
        raise UsageError(f"{what}: a choice is not of the kind of {usual!r}")
    if len(set(choices)) < len(choices):
        raise UsageError(f"{what}: choices lists a value twice")
    return Range(usual, choices=tuple(choices))


def _factors(what: str, usual: float, form: dict[str, Any]) -> Range:
    factors = form["times"]
    if len(form) > 1 or not isinstance(factors, list) or len(factors) != 2 or not all(map(_is_number, factors)):
        raise UsageError(f"{what}: times has to be two factors, [a, b], and stands alone")
    if not 0 < factors[0] < factors[1]:
        raise UsageError(f"{what}: times has to be two factors above 0, the smaller one first")
    if usual <= 0:
        raise UsageError(f"{what} is {usual} here, which no factor changes; give low: and high:")
    least = 1.0 if isinstance(usual, int) else 0.0
    low, high = (max(float(f"{usual * factor:.6g}"), least) for factor in factors)
    if low >= high:
        raise UsageError(f"{what}: times {factors} leaves one value of {usual}")
    return Range(usual, low, high, "log")


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and math.isfinite(value)
