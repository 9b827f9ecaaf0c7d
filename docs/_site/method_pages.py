"""The pages of the methods: a text by hand, and what follows from class, recipes, spaces and the board."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import Any

import yaml
from board_rows import rows
from docstrings import attributes, table, value
from repository import ROOT, front_matter

from harness.config.recipes import declared
from harness.places import TREE
from harness.tuning import published
from methods import Method, methods

_PAPER = re.compile(r"(.*), arXiv:([\w.]+)")
_USUAL, _OTHER = 0.9, 0.875  # sparsities of the examples: the second for methods that take N:M alone


def navigation() -> dict[str, list[dict[str, str]]]:
    """Return the pages by family, each under the name of its method."""
    own = sorted(_own().items(), key=_family)
    return {
        _title(family): [{name: f"methods/{name}.md"} for name, _ in members]
        for family, members in groupby(own, key=lambda item: item[1].family)
    }


def overview() -> str:
    """Return the table of all methods."""
    rows = [
        [f"[`{name}`](methods/{name}.md)", method.summary, _paper(method), _cost(name)]
        for name, method in sorted(_own().items(), key=_family)
    ]
    return table(["method", "what it does", "paper", "charged besides its masked training steps"], rows)


def page(name: str, markdown: str, meta: Mapping[str, Any]) -> str:
    """Return the page of a method: its text, then settings, cost and rows of the board.

    Args:
        name: As it is registered.
        markdown: The text, which begins with a heading.
        meta: Front matter, with what the method is charged as ``cost``.

    Raises:
        ValueError: There is no such method, or the text lacks its heading or ``cost``.
    """
    if name not in _own():
        raise ValueError(f"there is no method {name!r}")
    heading, _, text = markdown.lstrip().partition("\n")
    if not heading.startswith("# ") or "cost" not in meta:
        raise ValueError("the text begins with a heading, and its front matter says the cost")
    method = _own()[name]
    parts = [heading, _facts(method), text.strip(), "## Settings", _settings(method)]
    parts += ["## Cost", _charged(method, str(meta["cost"])), "## On the board", _rows(method)]
    return "\n\n".join(part for part in parts if part)


@cache
def _own() -> dict[str, Method]:
    """Return the methods of the project itself, without those of installed packages."""
    return {name: method for name, method in methods().items() if type(method).__module__.startswith("methods.")}


def _family(item: tuple[str, Method]) -> tuple[bool, str, str]:
    name, method = item
    return method.family != "baseline", method.family, name


def _title(family: str) -> str:
    return family.replace("_", " ").capitalize()


def _cost(name: str) -> str:
    meta, _ = front_matter((ROOT / "docs" / "methods" / f"{name}.md").read_text(encoding="utf-8"))
    return str(meta["cost"])


def _paper(method: Method) -> str:
    """Return the paper as a link."""
    found = _PAPER.fullmatch(method.paper)
    return f"[{found[1]}](https://arxiv.org/abs/{found[2]})" if found else method.paper or "–"


def _facts(method: Method) -> str:
    lines = [f"*{method.summary}*", f"`method={method.name}` · family `{method.family}`"]
    if method.paper:
        lines[1] += f" · {_paper(method)}"
    recipes = [recipe for recipe, paper in published.papers().items() if method.name in paper["methods"]]
    if recipes:
        named = ", ".join(f"`{recipe}`" for recipe in recipes)
        lines.append(f"Settings of a paper: recipe {named} ([Reproduce a paper](../reproduce.md)).")
    return "\n\n".join(lines)


def _settings(method: Method) -> str:
    """Return every hyper-parameter with its default, what recipes set, and where it is tuned."""
    meanings, space = attributes(type(method)), _space().get(method.name, {})
    rows = []
    for field in dataclasses.fields(method):
        default = getattr(method, field.name)
        if field.name == "name" or (field.name == "interval" and default == 0):  # without events at intervals
            continue
        rows.append(
            [
                f"`{field.name}`",
                value(default),
                "; ".join(_in_recipes(method.name, field.name)) or "–",
                _range(space.get(field.name)),
                meanings[field.name],
            ]
        )
    if not rows:
        return "It has none."
    said = "On the command line: `method.SETTING=VALUE`."
    if space:
        said += " `sparsebench tune` searches the range *tuned in*; × are factors of the value without tuning."
    return f"{said}\n\n{table(['setting', 'default', 'recipes', 'tuned in', 'meaning'], rows)}"


def _in_recipes(method: str, field: str) -> Iterator[str]:
    """Yield the values that recipes set, each with its recipes."""
    found: dict[str, list[str]] = {}
    for name, recipe in declared().items():
        values = recipe.methods.get(method) or {}
        if field in values:
            found.setdefault(value(values[field]), []).append(name)
    for shown, recipes in found.items():
        yield f"{shown} ({', '.join(recipes)})"


@cache
def _space() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((TREE / "tuning" / "default.yaml").read_text(encoding="utf-8"))["methods"]
    return found


def _range(declared: dict[str, Any] | None) -> str:
    if declared is None:
        return "–"
    if "choices" in declared:
        return ", ".join(map(str, declared["choices"]))
    if "times" in declared:
        return "× {:g} to × {:g}".format(*declared["times"])
    return f"{declared['low']:g} to {declared['high']:g}"


def _charged(method: Method, cost: str) -> str:
    """Return what the method is charged, and the commands that price and train a run of it."""
    charged = f"Besides its masked training steps it is charged: {cost} ([Ledger](../costs.md))."
    plain = f"method={method.name} dataset=digits" + (f" sparsity={_sparsity(method):g}" if method.masked else "")
    command = f"```bash\nsparsebench plan {plain}\n```"
    return f"{charged} This prices a run, and `run` in place of `plan` trains it:\n\n{command}"


def _sparsity(method: Method) -> float:
    """Return a sparsity that the method takes."""
    try:
        method.pattern(1 - _USUAL)
    except ValueError:
        return _OTHER
    return _USUAL


def _rows(method: Method) -> str:
    usual = dataclasses.asdict(method)
    shown = rows(method.name, lambda recipe, settings: _changed(usual, recipe, method.name, settings))
    return shown or "The committed board has no row of it yet."


def _changed(usual: dict[str, Any], recipe: str, method: str, settings: str) -> str:
    """Return the settings of a row that are not those of its recipe."""
    known = declared().get(recipe)
    expected = usual | ((known.methods.get(method) or {}) if known else {})
    values = json.loads(settings or "{}")
    return " ".join(f"{name}={shown}" for name, shown in values.items() if expected.get(name) != shown)
