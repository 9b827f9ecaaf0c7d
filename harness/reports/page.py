"""What a report says, as values that each view of it takes: `harness.reports.terminal` and `harness.reports.html`."""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.board import units
from harness.records.metrics import Metric

UNKNOWN = "–"


@dataclass(frozen=True)
class Series:
    """Values over the steps of a run.

    Attributes:
        name: What the values are.
        steps: Where each value was noted, rising; at least one.
        values: One for each step.
        last: The step up to which the last value holds.
        held: Whether a value holds until the next one, as densities do; others are joined by lines.
        floor: Where the scale begins; None for the least value.
        color: Which of the colours of a plot it has.
    """

    name: str
    steps: Sequence[int]
    values: Sequence[float]
    last: int
    held: bool = False
    floor: float | None = None
    color: int = 0

    @property
    def scale(self) -> tuple[float, float]:
        """The least and the largest value that a drawing shows."""
        return min(self.values) if self.floor is None else self.floor, max(self.values)

    def sampled(self, points: int) -> list[float]:
        """Return the values at so many steps, evenly spaced from the first to the last."""
        first = self.steps[0]
        return [self._at(first + (self.last - first) * point / max(points - 1, 1)) for point in range(points)]

    def _at(self, step: float) -> float:
        """Return the value at a step: the last one noted, or one between it and the next."""
        place = max(bisect.bisect_right(self.steps, step) - 1, 0)
        before = self.values[place]
        if self.held or place + 1 == len(self.steps):
            return before
        start, end = self.steps[place], self.steps[place + 1]
        share = (step - start) / (end - start)
        return (1 - share) * before + share * self.values[place + 1]


Cell = str | Series


@dataclass(frozen=True)
class Plot:
    """Series in one drawing, of one unit.

    Attributes:
        title: What is drawn, with its unit.
        lines: At least one.
        small: Whether a terminal draws each line in a row of its own, rather than one line in several rows.
    """

    title: str
    lines: Sequence[Series]
    small: bool = False

    @property
    def scale(self) -> tuple[float, float]:
        """The least and the largest value of all lines."""
        scales = [line.scale for line in self.lines]
        return min(low for low, _ in scales), max(high for _, high in scales)

    @property
    def steps(self) -> tuple[int, int]:
        """The first and the last step of all lines."""
        return min(line.steps[0] for line in self.lines), max(line.last for line in self.lines)


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        headers: Names of the columns.
        rows: Cells in the order of the headers.
        words: How many columns, from the left, hold words; the others hold numbers.
        shown: How many rows a terminal shows.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: int = 1
    shown: int = 40


@dataclass(frozen=True)
class Section:
    """A part of a page: facts, then tables, plots and notes.

    Attributes:
        title: Its heading.
        facts: Values by name.
        tables: Tables.
        plots: Plots.
        notes: Sentences on what the numbers mean.
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.facts or self.tables or self.plots or self.notes)


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: Its heading.
        lead: What matters most, in lines.
        sections: Its parts, in order; empty ones are not shown.
        links: Pages that lie beside it, address by name; of the HTML file alone.
    """

    title: str
    lead: Sequence[str]
    sections: Sequence[Section]
    links: Mapping[str, str] = field(default_factory=dict)


def percent(value: float | None) -> str:
    """Return a fraction in percent."""
    return UNKNOWN if value is None else f"{100 * value:.2f} %"


def told(metric: Metric, value: float | None) -> str:
    """Return a value of a metric beside its name, which says the unit of all but percentages."""
    if value is None:
        return UNKNOWN
    return metric.told(value) if metric.unit == "points" else metric.shown(value)


def gap(metric: Metric, value: float, half_width: float | None = None) -> str:
    """Return a difference of values of a metric with its unit, and half its interval if it has one."""
    if metric.unit == "points":
        return points(metric.scale * value / 100, None if half_width is None else metric.scale * half_width / 100)
    half = "" if half_width is None else f" ± {metric.shown(half_width)}"
    return f"{round(metric.scale * value, metric.digits) + 0.0:+.{metric.digits}f}{half} {metric.unit}"


def points(value: float, half_width: float | None = None) -> str:
    """Return a difference of fractions in percentage points, with half its interval if it has one."""
    half = "" if half_width is None else f" ± {100 * half_width:.2f}"
    return f"{round(100 * value, 2) + 0.0:+.2f}{half} points"  # + 0.0: no negative zero


def number(value: float | None) -> str:
    """Return a count with separators, any other number with six digits."""
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def flops(value: float | None, ratio: float | None = None) -> str:
    """Return FLOPs, with their multiple of the dense run's where that is known: ``2.1e12 (0.23× dense)``."""
    if value is None:
        return UNKNOWN
    return ("0" if value == 0 else units.flops(value)) + ("" if ratio is None else f" ({units.ratio(ratio)} dense)")
