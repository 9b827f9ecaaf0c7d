"""A report as one HTML file that runs no script and asks the network for nothing."""

import html
from pathlib import Path

from harness import board
from harness.board import escape
from harness.reports import drawing
from harness.reports.page import Cell, Page, Plot, Section, Series, Table

_STYLE = Path(board.__file__).parent / "page" / "assets" / "page.css"
_OWN_STYLE = """
.drawn { width: 100%; max-width: 720px; height: auto; }
.drawn text { font-size: 12px; fill: var(--muted); }
.axis { fill: none; stroke: var(--line); }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.spark { vertical-align: middle; }
.facts th { font-weight: 400; color: var(--muted); vertical-align: top; width: 1%; }
.facts td { white-space: normal; overflow-wrap: anywhere; }
td.text { white-space: normal; overflow-wrap: anywhere; }
.key { display: inline-block; width: 10px; height: 10px; margin: 0 5px 0 12px; border-radius: 2px; }
section > .scroll, section > figure { margin-bottom: 10px; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(report: Page) -> str:
    """Return the page; whatever a record holds is shown as text."""
    sections = "\n".join(_section(section) for section in report.sections if not section.empty)
    lead = "\n".join(f'  <p class="lead">{_text(line)}</p>' for line in report.lead)
    lead += "".join(f'\n  <p><a href="{_text(to)}">{_text(name)}</a></p>' for name, to in report.links.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{_text(report.title)}</title>
<link rel="icon" href="data:,">
<style>{_STYLE.read_text(encoding="utf-8")}{_OWN_STYLE}</style>
</head>
<body>
<header>
  <h1>{_text(report.title)}</h1>
{lead}
</header>
<main>
{sections}
</main>
</body>
</html>
"""


def _section(section: Section) -> str:
    parts = [f"<h2>{_text(section.title)}</h2>"]
    if section.facts:
        rows = (
            f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>'
            for name, value in section.facts.items()
        )
        parts.append(f'<div class="scroll"><table class="facts"><tbody>{"".join(rows)}</tbody></table></div>')
    parts += map(_table, section.tables)
    if section.plots:
        parts.append(f'<div class="plots">{"".join(map(_plot, section.plots))}</div>')
    parts += (f'<p class="muted small">{_text(note)}</p>' for note in section.notes)
    return "<section>\n" + "\n".join(parts) + "\n</section>"


def _table(table: Table) -> str:
    def line(tag: str, cells: list[str]) -> str:
        return (
            "<tr>"
            + "".join(f"<{tag}{_class(table, place)}>{cell}</{tag}>" for place, cell in enumerate(cells))
            + "</tr>"
        )

    head = line("th", [_text(header) for header in table.headers])
    body = "\n".join(line("td", [_cell(cell) for cell in row]) for row in table.rows)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _class(table: Table, place: int) -> str:
    drawn = any(isinstance(row[place], Series) for row in table.rows[:1])
    return ' class="text"' if place < table.words else "" if drawn else ' class="number"'


def _cell(cell: Cell) -> str:
    return drawing.spark(cell) if isinstance(cell, Series) else _text(cell)


def _plot(plot: Plot) -> str:
    keys = {line.name: drawing.COLORS[line.color % len(drawing.COLORS)] for line in plot.lines}
    named = "".join(
        f'<span class="key" style="background:{color}"></span>{_text(name)}' for name, color in keys.items()
    )
    legend = f'<p class="muted small">{named}</p>' if len(plot.lines) > 1 else ""
    return f'<figure class="card"><figcaption>{_text(plot.title)}</figcaption>{drawing.plot(plot)}{legend}</figure>'


def _text(text: str) -> str:
    return html.escape(escape.visible(text), quote=True)
