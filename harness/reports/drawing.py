"""Series as SVG, for a page that runs no script."""

from collections.abc import Sequence

from harness.reports.page import Plot, Series

_WIDTH, _HEIGHT, _LEFT, _BELOW, _ABOVE = 560, 220, 64, 24, 10
_SPARK_WIDTH, _SPARK_HEIGHT = 150, 22
_MOST_POINTS = 1000
_SPARK_POINTS = 60

COLORS = ("#0b62c4", "#d55e00")
"""Blue and vermilion tell apart for every kind of colour vision."""

_Box = tuple[float, float, float, float]


def spark(series: Series) -> str:
    """Return a series as a small line without axes."""
    low, high = series.scale
    steps = (series.steps[0], series.last)
    line = _line(series, (0, 1, _SPARK_WIDTH, _SPARK_HEIGHT - 1), steps, (low, high), _SPARK_POINTS)
    return (
        f'<svg class="spark" width="{_SPARK_WIDTH}" height="{_SPARK_HEIGHT}" role="img" '
        f'aria-label="{low:.4g} to {high:.4g}">{line}</svg>'
    )


def plot(plot: Plot) -> str:
    """Return a plot with the ends of its axes named; its title stands in the page."""
    (low, high), (first, last) = plot.scale, plot.steps
    right, bottom = _WIDTH - 10, _HEIGHT - _BELOW
    lines = "".join(
        _line(line, (_LEFT, _ABOVE, right, bottom), plot.steps, plot.scale, _MOST_POINTS) for line in plot.lines
    )
    axes = f'<path class="axis" d="M{_LEFT},{_ABOVE}V{bottom}H{right}"/>'
    labels = (
        _label(_LEFT - 6, _ABOVE + 8, "end", f"{high:.4g}"),
        _label(_LEFT - 6, bottom, "end", f"{low:.4g}"),
        _label(_LEFT, _HEIGHT - 6, "start", f"step {first:,}"),
        _label(right, _HEIGHT - 6, "end", f"{last:,}"),
    )
    return f'<svg class="drawn" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{axes}{lines}{"".join(labels)}</svg>'


def _label(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'


def _line(series: Series, box: _Box, steps: tuple[int, int], scale: tuple[float, float], points: int) -> str:
    left, top, right, bottom = box
    xs = [left + _share(step, *steps) * (right - left) for step in _thinned([*series.steps, series.last], points)]
    ys = [
        bottom - _share(value, *scale) * (bottom - top)
        for value in _thinned([*series.values, series.values[-1]], points)
    ]
    path = f"M{xs[0]:.1f},{ys[0]:.1f}"
    for x, y in zip(xs[1:], ys[1:], strict=True):
        path += f"H{x:.1f}V{y:.1f}" if series.held else f"L{x:.1f},{y:.1f}"
    return f'<path class="line" stroke="{COLORS[series.color % len(COLORS)]}" d="{path}"/>'


def _thinned(values: Sequence[float], points: int) -> list[float]:
    """Return at most so many values, evenly chosen with the ends kept."""
    count = len(values)
    if count <= points:
        return list(values)
    return [values[round(place * (count - 1) / (points - 1))] for place in range(points)]


def _share(value: float, low: float, high: float) -> float:
    """Return where a value lies between two others, from 0 to 1; halves keep the differences of any floats finite."""
    span = high / 2 - low / 2
    return (value / 2 - low / 2) / span if span > 0 else 0.0
