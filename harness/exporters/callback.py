"""The one callback that exports runs: it takes the events of an executor and sends them to the trackers."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from harness.executors.base import Event, Finished, Progressed
from harness.exporters.base import Scalar
from harness.exporters.process import TrackerProcess
from harness.plan.planned import Planned
from harness.records import Record, cell_name
from harness.vocabulary import TRACKERS

BETWEEN_SECONDS = 5.0
"""Between two points of a run that are no evaluations."""

CURVE = ("progress", "train_loss", "val_accuracy", "density", "lr")
"""The figures of a point, by their names in the curve of a record."""

VALIDATED = ("val_accuracy", "val_score")
"""What a validation gives, of a classification and of any other task."""

Target = tuple[str, str]


class Exports:
    """Exports runs while an executor trains them; a context manager.

    A tracker that fails never harms a run: one line says why, and the runs go on.
    """

    def __init__(self, runs: Iterable[Planned], tell: Callable[[str], None]) -> None:
        """Prepare; the process of a tracker is started with the first run that it takes.

        Args:
            runs: All runs that there will be events of. Their settings name the trackers.
            tell: Takes a line about a tracker, at any time and in any thread.
        """
        self._tell = tell
        self._targets = {planned.key: targets(planned) for planned in runs}
        self._processes: dict[Target, TrackerProcess] = {}
        self._open: set[str] = set()
        self._sent: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __call__(self, event: Event) -> None:
        """Export an event; does not wait for a tracker, and raises nothing of one."""
        if not self._targets.get(event.planned.key):
            return
        match event:
            case Progressed() if event.message.get("event") == "progress":
                self._point(event.planned, event.message)
            case Finished():
                self._end(event)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until the trackers have taken what was sent to them, as long as they get on."""
        for process in self._processes.values():
            process.end()
        for process in self._processes.values():
            process.wait()

    def _point(self, planned: Planned, message: Mapping[str, Any]) -> None:
        evaluated, now = message["evaluated"], time.monotonic()
        if not evaluated and now - self._sent.get(planned.key, -BETWEEN_SECONDS) < BETWEEN_SECONDS:
            return
        self._sent[planned.key] = now
        self._start(planned)
        validated = {name: message.get(name) if evaluated else None for name in VALIDATED}
        figures = {**message, "train_loss": message["loss"], **validated}
        self._send(planned, {"do": "point", "key": planned.key, **point(figures)}, droppable=True)

    def _end(self, event: Finished) -> None:
        """End a run. Its record has the whole curve: what was trained by another process is exported from there."""
        record, planned = event.record, event.planned
        if record is None and planned.key not in self._open:
            return  # it was cancelled before it began
        self._start(planned)
        self._open.remove(planned.key)
        ended = {"do": "end", "key": planned.key, "status": event.status, "step": 0, "points": [], "results": {}}
        if record is not None:
            ended["step"] = record["cost"]["steps"] or 0
            ended["points"] = [point(figures) for figures in record["curve"]]
            if event.status != "interrupted":  # else they are those of a part of the run
                ended["results"] = results(record)
        self._send(planned, ended)

    def _start(self, planned: Planned) -> None:
        """Open a run; not before it has a point, since another process may be the one that trains it."""
        if planned.key not in self._open:
            self._open.add(planned.key)
            self._send(planned, {"do": "start", "about": about(planned)})

    def _send(self, planned: Planned, message: dict[str, Any], *, droppable: bool = False) -> None:
        for target in self._targets[planned.key]:
            if target not in self._processes:
                self._processes[target] = TrackerProcess(*target, self._tell)
            self._processes[target].send(message, droppable=droppable)


def targets(planned: Planned) -> list[Target]:
    """Return the trackers of a run, each with the value of its setting."""
    return [(name, where) for name in TRACKERS if (where := getattr(planned.run, name))]


def about(planned: Planned) -> dict[str, Any]:
    """Return which run it is: the fields of `harness.exporters.base.About`."""
    run = planned.run
    cell = cell_name(run.dataset.name, run.model.name, run.method.name, run.sparsity, run.seed)
    digest = hashlib.sha256(planned.identity.row.encode()).hexdigest()[:8]
    return {
        "key": planned.key,
        "name": f"{cell}-{planned.key}",
        "group": f"{cell.removesuffix(f'-s{run.seed}')}-{digest}",
        "settings": {**flat(planned.identity.settings), "runner": planned.choice.name},
    }


def point(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the step and the figures of a point; what is unknown is left out."""
    names = dict.fromkeys((*CURVE, *VALIDATED))
    values = {name: float(figures[name]) for name in names if figures.get(name) is not None}
    return {"step": figures["step"], "values": values}


def results(record: Record) -> dict[str, float]:
    """Return the figures that a run ends with, named as in `sparsebench.load`, and ``layer_density/LAYER``.

    What the last point of the curve says already is left out.
    """
    figures = {**record["metrics"], **record["cost"], "reliability": record.get("reliability")}
    figures["metrics.sparsity"] = figures.pop("sparsity")
    layers = figures.pop("layer_density") or {}
    found = {name: value for name, value in flat(figures).items() if name not in (*CURVE, *VALIDATED)}
    found |= {f"layer_density/{name}": density for name, density in layers.items()}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """Return nested values under dotted names, lists as text; what is null is left out."""
    found: dict[str, Scalar] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, str | int | float):
            found[f"{prefix}{name}"] = value
        elif value is not None:
            found[f"{prefix}{name}"] = str(value)
    return found
