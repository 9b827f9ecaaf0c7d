"""Formulas: ``math`` blocks in LaTeX, as GitHub renders them, become MathML when the site is built."""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert


def block(source: str, language: str, css_class: str, options: Any, md: Any, **more: Any) -> str:
    """Return a block of formulas as HTML, a line each; browsers render MathML without a script."""
    lines = [line for line in source.splitlines() if line.strip()]
    return "".join(f'<div class="{css_class}">{convert(line, display="block")}</div>' for line in lines)
