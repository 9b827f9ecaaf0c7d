"""The overrides of a command line, ``name=value``, read and checked by name and type before anything is composed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from harness.budget.kinds import KINDS
from harness.config import lengths, names, values
from harness.config.check_method import require_read
from harness.config.values import Value
from harness.errors import UsageError, cut, short, unknown
from methods import Method, methods

DEFAULT_METHOD = "granet"
"""The method of ``benchmarks/config.yaml``."""

_FROM_A_FILE = ("method", "model", "dataset")
_FILE = re.compile(r".+\.py:\w+", re.DOTALL)
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"


@dataclass
class Overrides:
    """What a command line chooses and sets; of several overrides of one name the last counts.

    Attributes:
        groups: The member chosen of each group, ``{"method": "rigl"}``.
        values: Settings by full name, ``{"recipe.lr": 0.1}``.
        plugins: The file, absolute, and the object of each member that comes from one: ``{"model": "/x.py:build"}``.
    """

    groups: dict[str, str] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> Method:
        """The chosen method with its default hyper-parameters."""
        return methods()[self.groups.get("method", DEFAULT_METHOD)]


def read(overrides: Iterable[str]) -> Overrides:
    """Read overrides; a file that one names is imported.

    Args:
        overrides: For example ``["method=rigl", "sparsity=0.95", "budget=flops:0.5"]``.

    Raises:
        UsageError: One of them is not an override, names nothing that exists, or has a value of another type.
        UnfitError: The method has no events at intervals, and is given an interval.
    """
    found = Overrides()
    given = [_split(override) for override in overrides]
    kinds = [value for name, value in given if name == "budget.kind"]
    if kinds and any(name == "budget" for name, _ in given):
        raise UsageError(f"budget=... and budget.kind={cut(kinds[-1])} both choose the kind of budget: drop one")
    # The method decides which settings there are, wherever it stands.
    for name, text in given:
        if name in names.GROUPS and name != "budget":
            _choose(found, name, text)
    method = type(found.method)
    for name, text in given:
        if name in ("budget", "budget.kind"):
            _budget(found, text)
        elif name not in names.GROUPS:
            found.values[name] = _value(name, names.setting(name, method), text)
    interval = found.values.get("method.interval", 0)
    if interval != 0 and found.method.masked:  # before a method that has none refuses it whatever the suite
        require_read(found.method, "interval", interval)
    return found


def _value(name: str, kind: Any, text: str) -> Value:
    """Read a value, or leave it as it is written if it is a length with a unit."""
    # Milestones without brackets are left to the reader of lists, which says how to write them; so is an empty list.
    if lengths.may_be(name) and (name != lengths.MILESTONES or (values.is_list(text) and text[1:-1].strip())):
        written = tuple(values.several(name, text)) if name == lengths.MILESTONES else text
        if lengths.is_written(written):
            return written
    return values.read(name, kind, text)


def _split(override: str) -> tuple[str, str]:
    name, equals, text = override.partition("=")
    if not equals or not name:
        groups = [group for group in names.GROUPS if override in names.choices(group)]
        hint = f"did you mean {groups[0]}={override}?" if groups else "write name=value, for example sparsity=0.95"
        raise UsageError(f"{short(override)} is not an override: {hint}")
    if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
        hint = "settings are changed, not added or removed: " if name[0] in "+~" else ""
        raise UsageError(f"{short(override)} is not an override: {hint}write name=value")
    return name, text


def _choose(found: Overrides, group: str, text: str) -> None:
    """Choose a member of a group, by its name or by a file, ``path/file.py:Class``."""
    if group in _FROM_A_FILE and _FILE.fullmatch(text):
        from harness import plugins

        found.groups[group] = plugins.load(group, text)
        found.plugins[group] = plugins.absolute(text)
        return
    allowed = names.choices(group)
    if text not in allowed:
        if values.is_list(text) or "," in text:
            raise UsageError(f"{group}={short(text)} names several: a run has one {group}, a suite takes a list")
        if group in _FROM_A_FILE and text.endswith(".py"):
            raise UsageError(f"{group}={short(text)} names a file: write {group}=FILE.py:NAME, with what it defines")
        raise unknown(group, text, allowed)
    found.groups[group] = names.own_name(group, text)
    found.plugins.pop(group, None)


def _budget(found: Overrides, text: str) -> None:
    """Choose a kind of budget, and set the amount and the stretch that follow it: ``flops:0.5x2``."""
    kind, colon, rest = text.partition(":")
    if kind not in KINDS:
        raise _unknown_budget(text, kind)
    found.groups["budget"] = kind
    if colon:
        amount, times, stretch = rest.partition("x")
        found.values["budget.amount"] = values.read("budget.amount", float, amount)
        # Without a stretch it is 1: an earlier budget's must not stay.
        found.values["budget.stretch"] = values.read("budget.stretch", float, stretch) if times else 1.0


def _unknown_budget(text: str, kind: str) -> UsageError:
    if re.fullmatch(_NUMBER, text):
        said = cut(text)
        return UsageError(f"budget={said} has no kind; did you mean epochs:{said}? (kinds: {', '.join(KINDS)})")
    slip = re.fullmatch(rf"(\w+)[=, ]({_NUMBER}(?:x{_NUMBER})?)", text)
    if slip and slip[1] in KINDS:
        return UsageError(
            f"budget={cut(text)}: write the amount after a colon; did you mean {cut(f'{slip[1]}:{slip[2]}')}?"
        )
    return unknown("budget kind", kind, KINDS)
