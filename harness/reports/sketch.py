"""Series as text: a sparkline in one line, and a plot of a few lines in Braille dots; in ASCII where that is all."""

from collections.abc import Sequence

from harness.reports.page import Series

_BARS, _ASCII_BARS = "▁▂▃▄▅▆▇█", "_.-:=+*#"
_ASCII_DOT = "*"
# Bits of a Braille cell's dots, from its top row down, left and right.
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE_START = 0x2800


def sparkline(series: Series, length: int, *, plain: bool = False, scale: tuple[float, float] | None = None) -> str:
    """Return a series as bars in one line.

    Args:
        series: What to draw.
        length: Characters.
        plain: Whether to use ASCII alone.
        scale: The values of the lowest and the highest bar; the series' own by default.
    """
    bars = _ASCII_BARS if plain else _BARS
    low, high = scale or series.scale
    return "".join(bars[_level(value, low, high, len(bars))] for value in series.sampled(length))


def plot(series: Series, width: int, height: int, *, plain: bool = False) -> list[str]:
    """Draw a series as a line.

    Args:
        series: What to draw.
        width: Characters of a line.
        height: Lines.
        plain: Whether to use ASCII alone.

    Returns:
        The lines from the top down, all of the same width.
    """
    across, down = (1, 1) if plain else (2, 4)
    rows = height * down
    low, high = series.scale
    levels = [_level(value, low, high, rows) for value in series.sampled(width * across)]
    cells = [[0] * width for _ in range(height)]
    for column, level in enumerate(levels):
        before = levels[max(column - 1, 0)]
        # The dots between two neighbours join them, so that a steep curve stays a line.
        for dot in range(min(level, before + 1), max(level, before - 1) + 1) if column else (level,):
            row = rows - 1 - dot
            cells[row // down][column // across] |= _BRAILLE[row % down][column % across]
    return ["".join(_sign(bits, plain) for bits in line) for line in cells]


def joined(lines: Sequence[str], low: str, high: str) -> list[str]:
    """Return the lines of a plot with the ends of its scale at the left."""
    wide = max(len(low), len(high))
    labels = [high, *[""] * (len(lines) - 2), low] if len(lines) > 1 else [high]
    return [f"{label:>{wide}} {line}" for label, line in zip(labels, lines, strict=True)]


def _sign(bits: int, plain: bool) -> str:
    if plain:
        return _ASCII_DOT if bits else " "
    return chr(_BRAILLE_START + bits)


def _level(value: float, low: float, high: float, levels: int) -> int:
    """Return the level of a value, from 0 for the lowest; a flat series is at the bottom."""
    span = high / 2 - low / 2  # halves: their difference is finite for any two floats
    if not span > 0:
        return 0
    share = (value / 2 - low / 2) / span
    return min(max(int(share * levels), 0), levels - 1)
