"""Parses the text of a value as the type of its setting; strings are taken literally, without quoting rules."""

import re
import types
import typing
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from harness.errors import UsageError, short

Value = str | int | float | bool | None | tuple["Value", ...]

_LONGEST_HINT = 60
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def read(name: str, kind: Any, text: str) -> Value:
    """Read the value of a setting.

    Args:
        name: Of the setting, for messages.
        kind: Its type: ``int``, ``float``, ``bool``, ``str``, a list of these, or one of these or None.
        text: As given, for example ``0.9``, ``[3,8,8]``, ``null`` or a path.

    Returns:
        The value, a list as a tuple; for any other kind what the text looks like.

    Raises:
        UsageError: The text is not of that kind.
    """
    kinds = (
        typing.get_args(kind) if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union else ()
    )
    optional = type(None) in kinds
    if optional and text.lower() == "null":
        return None
    inner = next((each for each in kinds if each is not type(None)), kind)
    if typing.get_origin(inner) is list:
        (element,) = typing.get_args(inner)
        return tuple(_scalar(name, element, each, optional=False) for each in _elements(name, text))
    return _scalar(name, inner, text, optional=optional)


def several(name: str, text: str) -> list[str]:
    """Read one value or a list of them, as a suite takes for an axis of its grid; the values stay text.

    Raises:
        UsageError: The list is empty or cannot be read.
    """
    if not is_list(text):
        return [text]
    values = _elements(name, text)
    if not values:
        raise UsageError(f"{name}={text}: the list is empty, which leaves no runs")
    return values


def is_list(text: str) -> bool:
    """Whether a text is written as a list."""
    return text.startswith("[") and text.endswith("]")


def _scalar(name: str, kind: Any, text: str, *, optional: bool) -> Value:
    if not text.strip():
        raise UsageError(f"{name}= is empty; " + ("write null for none" if optional else f"it takes {_word(kind)}"))
    if kind is str:
        return _text(name, text)
    if kind not in _READERS:
        return _guess(text)
    word, reader = _READERS[kind]
    try:
        return reader(text)
    except ValueError:
        hint = " or null" if optional else ""
        if kind is float and (percent := re.fullmatch(r"([0-9.]+)\s*%", text)):
            with suppress(ValueError):
                hint += f"; did you mean {float(percent[1]) / 100:g}?"
        if is_list(text) or "," in text:
            hint += "; a run has one value, a suite takes a list"
        raise UsageError(f"{name}={short(text)} is not {word}{hint}") from None


def _elements(name: str, text: str) -> list[str]:
    """Split ``[a, b]``; the values of a list may be quoted, since a comma ends them."""
    if not is_list(text):
        raise UsageError(f"{name}={short(text)} is not a list; write {name}=[{text.strip('[]')[:_LONGEST_HINT]}]")
    import yaml

    try:
        # The base loader leaves every value as it is written: 010 is not read as an octal number.
        found = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise UsageError(f"{name}={short(text)} is not a list such as [a,b]")
    return found


def _text(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name}={short(text)} is not valid UTF-8") from None
    return text


def _guess(text: str) -> Value:
    """Read a value whose setting has a type of its own, such as an Enum; OmegaConf checks it."""
    for _, reader in _READERS.values():
        with suppress(ValueError):
            return reader(text)
    return text


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,4000}", text):
        raise ValueError(text)
    return int(text)


def _real(text: str) -> float:
    if not text.isascii() or "_" in text:  # Python reads 1_0 and the digits of other scripts
        raise ValueError(text)
    return float(text) + 0.0  # -0.0 becomes 0.0: one value has one key


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError(text)
    return _FLAGS[text.lower()]


_READERS: dict[Any, tuple[str, Callable[[str], int | float | bool]]] = {
    int: ("a whole number", _whole),
    float: ("a number", _real),
    bool: ("true or false", _flag),
}


def _word(kind: Any) -> str:
    return _READERS[kind][0] if kind in _READERS else "a value"
