"""Text from records, made safe for the format that shows it.

A record may come from anybody, so a name in it can hold markup, a spreadsheet formula or characters that turn a
line round. Whatever it holds is shown as what it is and does nothing.
"""

import re
import unicodedata
from typing import Any

_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
"""Control, format (direction marks, zero-width characters), surrogate and private characters, line separators."""

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula: the plain characters and their full-width twins."""

_MARKDOWN_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKDOWN_SPECIAL = re.compile(r"([\\`*|~]|\](?=[(\[:]))")
"""Brackets alone are harmless and frequent ("set [delta_t=100]"); what makes a link of them is escaped."""


class Markdown(str):
    """A string that is Markdown already and is not escaped again."""

    __slots__ = ()


def _code_point(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def visible(text: str) -> str:
    r"""Return text on one line, with characters that cannot be seen written as ``\u202e``.

    Args:
        text: Any string. Line breaks and tabs become spaces.
    """
    if text.isprintable():  # nearly always
        return text
    text = re.sub(r"\r\n|[\n\r\t]", " ", text)
    return "".join(
        _code_point(character) if unicodedata.category(character) in _HIDDEN_CATEGORIES else character
        for character in text
    )


def csv(text: str) -> str:
    """Return text for a CSV cell; what a spreadsheet would run as a formula starts with an apostrophe."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def markdown(text: str) -> Markdown:
    """Return text that Markdown shows literally, also in a table cell; `Markdown` is returned as it is.

    Underscores are left alone: names are full of them, and inside a word they mean nothing.
    """
    if isinstance(text, Markdown):
        return text
    shown = _MARKDOWN_SPECIAL.sub(r"\\\1", visible(text))
    for character, entity in _MARKDOWN_ENTITIES.items():
        shown = shown.replace(character, entity)
    return Markdown(shown)


def everywhere(value: Any) -> Any:
    """Return plain values (as JSON has them) with every string `visible`, names of fields included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {everywhere(name): everywhere(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        # most parts are numbers, of curves
        return [part if isinstance(part, float | int) else everywhere(part) for part in value]
    return value
