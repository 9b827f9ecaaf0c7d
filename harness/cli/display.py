"""Shows the progress of runs: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from harness.cli.layout import clock, score
from harness.console import printable, say
from harness.records import metrics
from harness.records.metrics import ACCURACY, Metric

_LEAST_SECONDS = 0.5
"""Before a rate is told: what is trained elsewhere is heard of in bursts."""
_FEW = 100
"""Validation samples below which their number stands beside a share of them."""


class Display:
    """Shows the events of runs on stderr; a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        """Prepare; nothing is shown yet."""
        self._console = console or Console(stderr=True)
        self._bars: Progress | None = None

    def __enter__(self) -> Self:
        """Start the bars, on a terminal."""
        if self._console.is_terminal:
            self._bars = Progress(
                SpinnerColumn(),
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.percentage:>5.1f}%"),
                TextColumn("{task.fields[figures]}"),
                _TimeLeft(),
                console=self._console,
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bars down."""
        if self._bars is not None:
            self._bars.stop()

    @contextmanager
    def run(
        self, title: str, metric: Metric = ACCURACY, samples: int | None = None
    ) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Show one run; gives what takes its events.

        Args:
            title: What the run is called.
            metric: What it is validated by.
            samples: How many it is validated on, if known.
        """
        figures = _Figures(metric, samples)
        if self._bars is None:
            self.say(f"{title}: setting up")
            yield lambda event: self._print(title, event, figures)
            return
        bar = self._bars.add_task(title, total=1.0, figures="setting up", left=None)
        try:
            yield lambda event: self._move(bar, event, figures)
        finally:
            self._bars.remove_task(bar)

    def say(self, line: str) -> None:
        """Print a line, above the bars if there are any."""
        if self._bars is not None:
            self._bars.console.print(printable(line), markup=False, highlight=False)
        else:
            say(line)

    def _move(self, bar: TaskID, event: dict[str, Any], figures: "_Figures") -> None:
        if event["event"] == "log":
            self.say(event["text"])
        if event["event"] == "progress" and self._bars is not None:
            told, left = figures.update(event)
            self._bars.update(bar, completed=event["progress"], figures=told, left=left)

    def _print(self, title: str, event: dict[str, Any], figures: "_Figures") -> None:
        if event["event"] == "log":
            self.say(event["text"])
        if event["event"] == "progress":
            told, left = figures.update(event)
            if event["evaluated"]:
                more = "" if left is None else f"  {clock(left)} left"
                self.say(f"{title}: {event['progress']:4.0%}  step {event['step']}  {told}{more}")


class _Rate:
    """Samples a second and time left, from what happened since the run was first seen."""

    def __init__(self) -> None:
        self._first: tuple[float, int, float] | None = None

    def update(self, event: dict[str, Any]) -> tuple[float | None, float | None]:
        now = (time.monotonic(), event["samples"], event["progress"])
        if self._first is None:
            self._first = now
            if event["seconds"] > 0:
                return event["samples"] / event["seconds"], None
            return None, None
        elapsed = now[0] - self._first[0]
        share = now[2] - self._first[2]
        if elapsed < _LEAST_SECONDS or share < 1e-9:  # divided by less, the time left would be infinite
            return None, None
        return (now[1] - self._first[1]) / elapsed, elapsed * (1 - now[2]) / share


class _TimeLeft(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = task.fields["left"]
        return Text("" if left is None else f"{clock(left)} left", style="cyan")


class _Figures:
    """What is told of a run's progress, and the time left."""

    def __init__(self, metric: Metric, samples: int | None) -> None:
        self._metric, self._samples, self._rate = metric, samples, _Rate()

    def update(self, event: dict[str, Any]) -> tuple[str, float | None]:
        speed, left = self._rate.update(event)
        parts = [f"loss {event['loss']:.3f}"]
        if (value := metrics.validation(event)) is not None:
            parts.append(f"val {validation(self._metric, value, self._samples)}")
        parts.append(f"density {event['density']:.2%}")
        if speed is not None:
            parts.append(f"{speed:,.0f} samples/s")
        return "  ".join(parts), left


def validation(metric: Metric, value: float, samples: int | None) -> str:
    """Return a result on the validation split, and of how many samples if it is a share of a few."""
    few = metric.share and samples is not None and samples < _FEW
    return score(metric, value) + (f" of {samples}" if few else "")
