"""What a person sees of a run: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text


class Display:
    """Shows the events of one run on stderr.

    Use as a context manager; pass `show` to a runner.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        """Prepare; ``title`` names the run."""
        self._title = title
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._rate = _Rate()

    def __enter__(self) -> Self:
        """Start the bar, on a terminal."""
        if self._console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.percentage:>5.1f}%"),
                TextColumn("{task.fields[figures]}"),
                _TimeLeft(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=1.0, figures="setting up", left=None)
        else:
            self._print(f"{self._title}: setting up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar down."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, event: dict[str, Any]) -> None:
        """Show one event of the worker."""
        if event["event"] == "log":
            self._print(event["text"])
        if event["event"] != "progress":
            return
        rate, left = self._rate.update(event)
        figures = _figures(event, rate)
        if self._bar is not None:
            self._bar.update(self._task, completed=event["progress"], figures=figures, left=left)
        elif event["evaluated"]:
            more = "" if left is None else f"  {_clock(left)} left"
            self._print(f"{self._title}: {event['progress']:4.0%}  step {event['step']}  {figures}{more}")

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)


class _Rate:
    """Images a second and time left, from what happened since the run was first seen."""

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
        if elapsed <= 0 or share <= 0:
            return None, None
        return (now[1] - self._first[1]) / elapsed, elapsed * (1 - now[2]) / share


class _TimeLeft(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = task.fields["left"]
        return Text("" if left is None else f"{_clock(left)} left", style="cyan")


def _figures(event: dict[str, Any], rate: float | None) -> str:
    parts = [f"loss {event['loss']:.3f}"]
    if event["val_accuracy"] is not None:
        parts.append(f"val {event['val_accuracy']:.2%}")
    parts.append(f"density {event['density']:.2%}")
    if rate is not None:
        parts.append(f"{rate:,.0f} img/s")
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
