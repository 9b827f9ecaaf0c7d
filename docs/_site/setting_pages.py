"""The reference of settings: names, types, defaults and meanings, from the dataclasses and the files of the tree."""

from __future__ import annotations

import dataclasses
import re
import typing
from typing import Any

import yaml
from docstrings import attributes, table, value

from harness import vocabulary
from harness.budget.kinds import KINDS
from harness.config import GROUPS, RunConfig
from harness.config import choices as members
from harness.config.check import CHOICES
from harness.config.names import NOT_SET, OF_TASK
from harness.config.recipes import declared
from harness.config.schema import APPLIED, MISSING, PARTS, RecipeConfig
from harness.places import TREE
from harness.tuning.published import papers

_ALLOWED = {
    "budget.kind": sorted(KINDS),
    "budget.rounds": vocabulary.BUDGET_ROUNDS,
    "dataset.validation": vocabulary.VALIDATIONS,
    "device": vocabulary.DEVICES,
    "keep": vocabulary.KEPT,
    "loader": vocabulary.LOADERS,
    "model.init": (*vocabulary.INITS, "normal:STD"),
    "model.init_fan": vocabulary.INIT_FANS,
    "model.normalisation": vocabulary.NORMALISATIONS,
    "recipe.loss": vocabulary.LOSSES,
    "recipe.lr_shape": vocabulary.LR_SHAPES,
    "recipe.optimizer": vocabulary.OPTIMIZERS,
    "runner.name": CHOICES,
}
_KINDS = {"recipe.milestones": "list of numbers or lengths", "recipe.lr_until": "number or length"}
_APPLIED = {(RecipeConfig, name) for name in APPLIED}
_HEADERS = ["setting", "type", "default", "meaning"]


def settings() -> str:
    """Return a table of the settings of a run, and one for each group.

    Raises:
        ValueError: Neither docstring nor ``benchmarks/config.yaml`` says what a setting is.
    """
    plain = [name for name in _fields(RunConfig) if name not in (*PARTS, "method", *NOT_SET)]
    parts = [f"## Of a run\n\n{table(_HEADERS, [_row('', RunConfig, name) for name in plain])}"]
    for group, part in PARTS.items():
        names = [
            name
            for name in _fields(part)
            if name != "name" and (part, name) not in _APPLIED and f"{group}.{name}" not in OF_TASK
        ]
        rows = [_row(f"{group}.", part, name) for name in names]
        parts.append(f"## {group}\n\n`{group}=` is one of {_listed(group)}.\n\n{table(_HEADERS, rows)}")
    return "\n\n".join(parts)


def choices() -> str:
    """Return what each group offers."""
    return table(["group", "members"], [[f"`{group}=`", _listed(group)] for group in GROUPS])


def recipes() -> str:
    """Return the recipes, a column each."""
    found = declared()
    names = [name for name in _fields(RecipeConfig) if name not in ("name", *APPLIED)]
    rows = [[f"`recipe.{name}`", *(value(getattr(recipe, name)) for recipe in found.values())] for name in names]
    return table(["setting", *found], rows)


def suites() -> str:
    """Return the suites with the comments at the head of their files."""
    rows = []
    for path in sorted((TREE / "suite").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        about = " ".join(line.removeprefix("#").strip() for line in _head(text))
        found = yaml.safe_load(text)["grid"]
        grids = found if isinstance(found, list) else [found]
        runs = (
            " × ".join(f"{len(each)} {name}" for name, each in grid.items() if isinstance(each, list)) for grid in grids
        )
        rows.append([f"`{path.stem}`", about, " + ".join(filter(None, runs))])
    return table(["suite", "what it is", "grid"], rows)


def published() -> str:
    """Return the recipes whose settings are a paper's, and what the paper has them for."""
    rows = [
        [
            f"`{recipe}`",
            paper["paper"],
            *(", ".join(f"`{each}`" for each in paper[part]) for part in ("datasets", "models", "budgets", "methods")),
        ]
        for recipe, paper in papers().items()
    ]
    return table(["recipe", "paper", "data sets", "models", "budgets", "methods"], rows)


def _fields(cls: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def _row(prefix: str, cls: type, name: str) -> list[str]:
    meaning = attributes(cls).get(name) or (_comments().get(name) if cls is RunConfig else None)
    if not meaning:
        where = "its docstring" if prefix else "its docstring or benchmarks/config.yaml"
        raise ValueError(f"nothing says what {prefix}{name} is: add it to {where}")
    allowed = _ALLOWED.get(prefix + name)
    kind = _KINDS.get(prefix + name) or _type(typing.get_type_hints(cls)[name])
    kind = " or ".join(f"`{each}`" for each in allowed) if allowed else kind
    return [f"`{prefix}{name}`", kind, _default(cls, name), _sentence(meaning)]


def _default(cls: type, name: str) -> str:
    (field,) = (field for field in dataclasses.fields(cls) if field.name == name)
    if field.default is MISSING:
        return "by the choice"
    return value(field.default_factory() if callable(field.default_factory) else field.default)


def _type(hint: Any) -> str:
    """Return a type in words."""
    words = {bool: "true or false", int: "integer", float: "number", str: "text", type(None): "null"}
    if hint in words:
        return words[hint]
    if typing.get_origin(hint) is list:
        return f"list of {_type(typing.get_args(hint)[0])}s"
    return " or ".join(_type(each) for each in typing.get_args(hint)) or "any"


def _comments() -> dict[str, str]:
    """Return the comments of ``benchmarks/config.yaml`` by the names of the settings."""
    text = (TREE / "config.yaml").read_text(encoding="utf-8")
    return {found[1]: found[2] for found in re.finditer(r"^(\w+):[^#\n]*# (.+)$", text, re.MULTILINE)}


def _head(text: str) -> list[str]:
    """Return the comment lines at the head of a file."""
    lines = text.splitlines()
    return lines[: next(number for number, line in enumerate(lines) if not line.startswith("#"))]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith((".", ")")) else ".")


def _listed(group: str) -> str:
    return ", ".join(f"`{name}`" for name in members(group))
