"""The page: the whole board in one HTML file that needs no network."""

import functools
import json
from pathlib import Path
from typing import Any

from harness.board import escape
from harness.board.board import Board
from harness.board.page import data

_ASSETS = Path(__file__).with_name("assets")

VEGA = _ASSETS / "vega.js"
"""Vega, Vega-Lite and Vega-Embed in one script; `python -m harness.board.page.bundle` makes it."""

_SCRIPTS = ("dom", "table", "chosen", "draw", "plots", "sections", "columns", "start")
"""The page's own scripts, in the order in which they run; they share one scope."""


def html(board: Board, records: str, reproductions: str = "") -> str:
    """Return the page.

    Args:
        board: The board.
        records: The address of the folder of records, seen from the page.
        reproductions: That of the page of reproductions; empty if there is none.
    """
    own = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    parts = {
        "style": _asset("page.css"),
        "data": _json(data.data(board, records) | {"reproductions": reproductions}),
        "vega": _vega(),
        "script": _script(f'(() => {{\n"use strict";\n{own}}})();\n'),
    }
    page = _asset("page.html")
    for name, text in parts.items():
        before, mark, after = page.partition(f"{{{{{name}}}}}")
        assert mark, f"page.html has no place for {name}"
        page = before + text + after
    return page


@functools.cache
def _vega() -> str:
    # Wrapped, because a script's top-level names would be global.
    return _script("(function () {" + VEGA.read_bytes().decode() + "})();")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """Return JSON that cannot end the script element it stands in, whatever a record says."""
    text = json.dumps(escape.everywhere(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _script(text: str) -> str:
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
