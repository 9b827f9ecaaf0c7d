"""README's picture: results against training FLOPs as an SVG, for places that run no script."""

import json
import textwrap
from importlib.util import find_spec
from typing import Any

from harness.board import captions, escape
from harness.board.board import Board
from harness.board.page import data, looks, marks, plots
from harness.board.tables import Table

ENGINE = "vl_convert"
"""The library that draws the picture, of the extra ``plots``."""

_LINE = 125
"""Characters of a subtitle that fit the picture's width."""


def pareto(board: Board) -> str:
    """Return the picture of the table with the most finished runs; words in its place where no engine can draw it."""
    if not any(row.runs for table in board.tables for row in table.rows):
        return _words("No results yet: make bench makes the first.")
    if find_spec(ENGINE) is None:
        return _words(f"Not drawn: {ENGINE} is not installed.")
    return _draw(data.fullest(board.tables))


def _draw(table: Table) -> str:
    import vl_convert

    points = [point for point in data.points(table) if point["acc"] is not None]
    styles = looks.give((row.method, row.name) for row in table.rows if row.runs)
    # The front's names are listed: inside the plot they would be printed over points and each other.
    front = sorted((point for point in points if point["front"]), key=lambda point: point["flops"])
    listed = "The front, cheapest first: " + ", ".join(_named(point) for point in front) + "."
    legend = {"orient": "right", "symbolSize": 75}
    spec = plots.by_cost(styles, "flops", plots.FLOPS_TITLE, front=True, legend=legend, width=620, height=380)
    spec = marks.reworded(spec, marks.axis_of(table))
    spec["data"] = {"values": points}
    subtitle = [*captions.caption(table), *textwrap.wrap(listed, _LINE)]
    spec["title"] = {"text": table.title, "subtitle": subtitle, "anchor": "start"}
    spec["background"] = "white"
    return str(vl_convert.vegalite_to_svg(json.dumps(escape.everywhere(spec))))


def _named(point: dict[str, Any]) -> str:
    return point["label"] if point["often"] is None else f"{point['label']} ({point['often']:.2g})"


def _words(words: str) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="80" role="img">'
        f'<text x="20" y="46" font-family="sans-serif" font-size="16" fill="#777">{words}</text></svg>\n'
    )
