"""What docstrings say of the fields of a dataclass, and how values and texts look in a table."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any


def attributes(cls: type) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each attribute; a class has the last word."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= _attributes(base.__dict__.get("__doc__") or "")
    return found


def _attributes(doc: str) -> dict[str, str]:
    """Read the section ``Attributes`` of a docstring in Google's style."""
    _, _, section = inspect.cleandoc(doc).partition("Attributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if entry := re.match(r" {4}(\w+): (.*)", line):
            name = entry[1]
            found[name] = entry[2]
        elif line.startswith(" " * 8) and name:
            found[name] += f" {line.strip()}"
        else:
            break
    return {name: text.replace("``", "`") for name, text in found.items()}


def value(shown: Any) -> str:
    """Return a value as the command line takes it, as code."""
    if isinstance(shown, bool):
        return f"`{str(shown).lower()}`"
    if shown is None:
        return "`null`"
    if isinstance(shown, float):
        return f"`{shown:.7g}`"
    if isinstance(shown, list | tuple):
        return f"`[{', '.join(map(str, shown))}]`"
    return f"`{shown}`" if shown != "" else "–"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """Return a text on one line; a bar outside of code does not end the cell."""
    parts = " ".join(text.split()).split("`")
    return "`".join(part if number % 2 else part.replace("|", r"\|") for number, part in enumerate(parts))
