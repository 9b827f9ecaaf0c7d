"""The page: the whole board in one HTML file that needs no network, and the plot of it that README shows."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.board import wording
from harness.board.page import data as page_data
from harness.board.page import looks, plots

if TYPE_CHECKING:
    from harness.board import Board

_ASSETS = Path(__file__).with_name("assets")


def html(board: "Board", records: str) -> str:
    """Return the page.

    Args:
        board: The board.
        records: The address of the folder of records, seen from the page.
    """
    import vl_convert

    # Wrapped, because a script's top-level names would be everyone's.
    vega = "(function () {" + vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;") + "})();"
    parts = {
        "style": (_ASSETS / "page.css").read_text(encoding="utf-8"),
        "data": _json(page_data.data(board, records)),
        "vega": _script(vega),
        "script": _script((_ASSETS / "page.js").read_text(encoding="utf-8")),
    }
    page = (_ASSETS / "page.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        before, mark, after = page.partition(f"{{{{{name}}}}}")
        assert mark, f"page.html has no place for {name}"
        page = before + text + after
    return page


def _json(value: Any) -> str:
    """Return JSON that cannot end the script element it stands in, whatever a record says."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _script(text: str) -> str:
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def pareto(board: "Board") -> str:
    """Return accuracy against training FLOPs as an SVG, of the table with the most runs that are done."""
    if not any(row.runs for table in board.tables for row in table.rows):
        return _nothing()
    table = page_data.fullest(board.tables)
    shown = [point for point in page_data.points(table) if point["acc"] is not None]
    styles = looks.give((row.method, row.name) for row in table.rows if row.runs)
    return plots.static(table.title, wording.caption(table), styles, shown)


def _nothing() -> str:
    words = "No results yet: make bench makes the first."
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="80" role="img">'
        f'<text x="20" y="46" font-family="sans-serif" font-size="16" fill="#777">{words}</text></svg>\n'
    )
