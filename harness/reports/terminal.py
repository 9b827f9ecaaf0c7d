"""A report in a terminal, by Rich."""

from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from harness.console import printable
from harness.reports import sketch
from harness.reports.page import Page, Plot, Section, Series, Table

_WIDTH = 110  # of pages that go into a pipe or a file
_SPARK, _PLOT_WIDTH, _PLOT_HEIGHT = 24, 60, 7
_ASCII = str.maketrans({"±": "+/-", "×": "x", "–": "-", "·": "|", "−": "-", "…": "..."})


def show(page: Page) -> str:
    """Return a page as text for standard output, in colour if that is a terminal.

    Whatever a record holds is shown as what it is: control characters as escapes, markup as text.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH
    plain = console.options.ascii_only
    with console.capture() as captured:
        for line in (page.title, *page.lead):
            console.print(_text(line, plain, "bold" if line == page.title else ""))
        for section in page.sections:
            if not section.empty:
                console.print()
                console.print(_section(section, plain))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _section(section: Section, plain: bool) -> RenderableType:
    title = Rule(_text(section.title, plain, "bold"), align="left", characters="-" if plain else "─", style="dim")
    parts: list[RenderableType] = [title]
    if section.facts:
        parts.append(_facts(section.facts, plain))
    parts += [part for table in section.tables for part in _table(table, plain)]
    parts += [part for plot in section.plots for part in _plot(plot, plain)]
    parts += [_text(note, plain, "dim") for note in section.notes]
    return Group(*parts)


def _facts(facts: Mapping[str, str], plain: bool) -> RenderableType:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(_text(name, plain), _text(value, plain))
    return grid


def _table(table: Table, plain: bool) -> Iterator[RenderableType]:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for place, header in enumerate(table.headers):
        drawn = any(isinstance(row[place], Series) for row in table.rows)
        right = place >= table.words and not drawn
        grid.add_column(_text(header, plain), justify="right" if right else "left", overflow="fold")
    for row in table.rows[: table.shown]:
        grid.add_row(*(_cell(cell, plain) for cell in row))
    yield grid
    if len(table.rows) > table.shown:
        yield _text(f"and {len(table.rows) - table.shown:,} more: --html FILE shows all", plain, "dim")


def _cell(cell: str | Series, plain: bool) -> RenderableType:
    if isinstance(cell, Series):
        return Text(sketch.sparkline(cell, _SPARK, plain=plain), no_wrap=True)
    return _text(cell, plain)


def _plot(plot: Plot, plain: bool) -> Iterator[RenderableType]:
    first, last = plot.steps
    low, high = plot.scale
    if not plot.small:
        yield _text(f"{plot.title}, steps {first:,} to {last:,}", plain)
    if len(plot.lines) == 1 and not plot.small:
        drawn = sketch.plot(plot.lines[0], _PLOT_WIDTH, _PLOT_HEIGHT, plain=plain)
        lines = sketch.joined(drawn, f"{low:.4g}", f"{high:.4g}")
        yield Padding(Text("\n".join(lines), no_wrap=True), (0, 0, 0, 2))
        return
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for line in plot.lines:
        bars = sketch.sparkline(line, 2 * _SPARK, plain=plain, scale=plot.scale)
        ends = f"{line.values[0]:.4g} to {line.values[-1]:.4g}"
        grid.add_row(_text(line.name, plain), Text(bars, no_wrap=True), _text(ends, plain))
    yield Padding(grid, (0, 0, 0, 2))


def _text(text: str, plain: bool, style: str = "") -> Text:
    safe = printable(text)
    return Text(safe.translate(_ASCII) if plain else safe, style=style)
