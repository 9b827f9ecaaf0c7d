"""The reference of records: names, types and presence from the schema, meanings from ``record_fields.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docstrings import table

from harness.records.schema import SCHEMA

MEANINGS = Path(__file__).with_name("record_fields.yaml")
_WORDS = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}
_WORDS |= {"array": "list", "object": "object"}


def fields() -> str:
    """Return a table for the top of a record and one for each of its groups.

    Raises:
        ValueError: A field has no meaning, or a meaning no field.
    """
    meanings: dict[str, str] = yaml.safe_load(MEANINGS.read_text(encoding="utf-8"))
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, schema, required in _walk(SCHEMA):
        group, _, _ = name.rpartition(".")
        groups.setdefault(group, []).append((name, _type(schema) + ("" if required else "; may be missing")))
    names = {name for rows in groups.values() for name, _ in rows}
    if lacking := sorted(names - set(meanings)):
        raise ValueError(f"docs/_site/{MEANINGS.name} does not say what {', '.join(lacking)} is")
    if unknown := sorted(set(meanings) - names):
        raise ValueError(f"docs/_site/{MEANINGS.name} describes {', '.join(unknown)}, which no record has")
    parts = []
    for group, rows in groups.items():
        heading = f"## `{group}`" if group else "## Top level"
        lines = [[f"`{name.removeprefix(f'{group}.')}`", kind, meanings[name]] for name, kind in rows]
        parts.append(f"{heading}\n\n{table(['field', 'type', 'meaning'], lines)}")
    return "\n\n".join(parts)


def _walk(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield every field under its dotted name, ``[]`` for the entries of a list, and whether it is required."""
    required = schema.get("required", ())
    for key, part in schema["properties"].items():
        name = f"{prefix}{key}"
        yield name, part, key in required
        inner = part.get("items") if part.get("type") == "array" else part
        if isinstance(inner, dict) and inner.get("additionalProperties") is False and "properties" in inner:
            yield from _walk(inner, f"{name}[]." if inner is not part else f"{name}.")


def _type(schema: dict[str, Any]) -> str:
    """Return a type in words."""
    if "enum" in schema:
        return " or ".join("null" if each is None else f"`{each}`" for each in schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    words = " or ".join(_WORDS[kind] for kind in kinds)
    if kinds == ["array"] and "type" in schema["items"]:
        return f"list of {_type(schema['items'])}s" if schema["items"].get("type") != "object" else "list of objects"
    if {"minimum": 0, "maximum": 1}.items() <= schema.items():
        words += " in 0…1"
    return words
