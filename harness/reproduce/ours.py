"""Our side of a table: the rows of a suite, and what the records of each say."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import config
from harness.board import aggregate
from harness.board.tables import Row
from harness.config import RunConfig
from harness.config.names import MODEL_ALIASES
from harness.records import Problem, Record, cell_name, metrics
from harness.records.folder import load_or_problem, record_paths
from harness.records.identity import canonical, of_record, results_version
from harness.records.identity import settings as settings_of_run
from harness.records.metrics import Metric
from harness.reproduce import checked
from harness.reproduce.fields import NOT_THE_ROW, near
from harness.reproduce.paper import Where


@dataclass
class Cell:
    """A row of a suite.

    Attributes:
        run: Its settings, with one of its seeds.
        text: What tells it from every other, as text.
        seeds: Those that the suite has.
        row: The records that count for it, chosen as the board does; None if there are none.
        failed: Seeds on which the method failed, wherever the run was made, with the status: it is their result, which
            a repetition elsewhere does not replace.
    """

    run: RunConfig
    text: str
    seeds: list[int] = field(default_factory=list)
    row: Row | None = None
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def metric(self) -> Metric:
        """The primary metric of its task."""
        return metrics.of_dataset(vars(self.run.dataset))

    def values(self, measure: str) -> dict[int, float]:
        """Return what was measured by seed: in the unit that is shown, or whether a layer is left empty."""
        runs = self.row.runs if self.row else {}
        if measure == "collapsed":
            return {seed: float(0 in run["topology"][-1]["active"]) for seed, run in runs.items() if run["topology"]}
        found = {seed: metrics.test(run) for seed, run in runs.items()}
        return {seed: self.metric.scale * value for seed, value in found.items() if value is not None}

    @property
    def lost(self) -> list[str]:
        """Which seeds ended without a result, in words; only counted if the machine may have been at fault."""
        others = Counter(self.row.statuses if self.row else {})
        others -= Counter((self.row.failed if self.row else {}).values())
        said = [f"seed {seed} {status}" for seed, status in sorted(self.failed.items())]
        said += [f"{count} {status.replace('_', ' ')}" for status, count in others.items() if status != "done"]
        return said


def cells(runs: Iterable[RunConfig]) -> list[Cell]:
    """Group the runs of a suite by row, in their order."""
    found: dict[str, Cell] = {}
    for run in runs:
        text = _text(config.to_dict(run))
        cell = found.setdefault(text, Cell(run, text))
        if run.seed not in cell.seeds:
            cell.seeds.append(run.seed)
    return list(found.values())


def fill(found: Iterable[Cell], records: "Records", *, chosen: bool = False) -> None:
    """Find the records of cells: those of runs made in a container come first, then those of most seeds.

    Args:
        found: Cells.
        records: Where they are.
        chosen: Whether no other seeds count than those of the cells.
    """
    for cell in found:
        files = records.of(cell, cell.seeds if chosen else None)
        rows = [row for table in aggregate.tables(files) for row in table.rows if row.runs or row.lost]
        cell.row = max(rows, key=lambda row: (bool(row.runs), row.runner == "docker", len(row.runs)), default=None)
        cell.failed = {seed: status for row in rows for seed, status in row.failed.items()}


class Records:
    """The records of a folder, found by the row that they are of; only those of the cell asked for are read."""

    def __init__(self, folder: Path) -> None:
        """Take a folder, which need not exist."""
        self._folder = folder
        self._left: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._now: dict[str, tuple[dict[str, str | None], str | None]] = {}

    @cached_property
    def _paths(self) -> list[Path]:
        return list(record_paths(self._folder))

    @cached_property
    def _refusals(self) -> dict[str, str]:
        return checked.refusals(self._folder)

    @property
    def left_out(self) -> str:
        """Which files do not count, and why, in a line; empty if all do."""
        counts = Counter(self._left.values())
        said = [f"{count} {'record' if count == 1 else 'records'} {why}" for why, count in sorted(counts.items())]
        if self._refused:
            name, reason = min(self._refused.items())
            count = len(self._refused)
            counted = "1 record refused by check" if count == 1 else f"{count} records refused by check, one"
            said.append(f"{counted}: {name}: {reason}")
        return ", ".join(said)

    def of(self, cell: Cell, seeds: Collection[int] | None = None) -> dict[str, Record]:
        """Return the records of a row, of any status, by file name.

        Where a run was trained, and how often it was validated, does not count here. What code or data have made that
        a run would not have now is left out, and so is what ``sparsebench check`` refuses.

        Args:
            cell: The row.
            seeds: Those that count; None for any.
        """
        run = cell.run
        start = cell_name(run.dataset.name, run.model.name, run.method.name, run.sparsity, 0).removesuffix("0")
        found = {}
        for path in self._paths:
            if not path.name.startswith(start):
                continue
            record = load_or_problem(path)
            if isinstance(record, Problem):
                self._left[path.name] = "that cannot be read"
            elif _text(record["config"]) == cell.text and (seeds is None or record["seed"] in seeds):
                if other := self._otherwise(cell, record):
                    self._left[path.name] = f"of other {other}"
                elif reason := self._refusals.get(path.name):
                    self._refused[path.name] = reason
                else:
                    found[path.name] = record
        return found

    def _otherwise(self, cell: Cell, record: Record) -> str:
        """Return what of a record is not what a run would have now: ``code`` or ``data``; empty if nothing is."""
        if cell.text not in self._now:
            from harness.plan.sources import of_run  # it imports models, which takes torch
            from harness.tasks import data

            code = of_run(cell.run).code(cell.run, "")
            fingerprint = data.fingerprint(config.to_dict(cell.run)["dataset"])
            self._now[cell.text] = code, None if fingerprint == data.ABSENT else fingerprint
        code, now = self._now[cell.text]
        made = of_record(record).locked
        alike = all(made.code[part] == code[part] for part in ("method", "model", "shared"))
        if not alike or made.code["results"] != results_version(made.settings):
            return "code"
        return "data" if None not in (now, made.data) and now != made.data else ""


def _text(plain: Mapping[str, Any]) -> str:
    """Return what tells a row from every other, as text.

    Args:
        plain: The config of a record, or of a run that may not be settled.
    """
    return canonical({name: value for name, value in settings_of_run(plain).items() if name not in NOT_THE_ROW})


def matching(where: Where, found: Sequence[Cell]) -> list[Cell]:
    """Return the cells that have some settings."""
    return [cell for cell in found if all(_has(cell.run, name, value) for name, value in where.items())]


def _has(run: RunConfig, name: str, wanted: Any) -> bool:
    if isinstance(wanted, list):
        listed = _setting(run, name)
        return listed == wanted if isinstance(listed, list) else any(_has(run, name, each) for each in wanted)
    value = _setting(run, name)
    if name == "sparsity" and isinstance(wanted, int | float):
        return near(value, wanted)
    if name == "model" and MODEL_ALIASES.get(str(wanted)) == value:
        return True
    if isinstance(value, float) and isinstance(wanted, int | float):
        return bool(abs(value - wanted) <= 1e-9 * max(1.0, abs(value)))
    return bool(value == wanted)


def listed(where: Where, run: RunConfig) -> int:
    """Return how many runs a row lists: a value of a setting that is a list itself, as of widths, is one."""
    several = [(name, value) for name, value in where.items() if isinstance(value, list)]
    return math.prod(len(value) for name, value in several if not isinstance(_setting(run, name), list))


def _setting(run: RunConfig, name: str) -> Any:
    """Return the value of a setting by its full name; None where the run, as of another method, has no such setting."""
    value: Any = run
    for part in name.split("."):
        value = getattr(value, part, None)
    return getattr(value, "name", value) if name in ("method", "model", "dataset", "recipe", "runner") else value


def where_of(cell: Cell, found: Sequence[Cell]) -> Where:
    """Return settings that name a cell: method, sparsity, and of model and method what others of these differ in."""
    run = cell.run
    where = {"method": run.method.name, "sparsity": run.sparsity}
    alike = [other.run for other in found if (other.run.method.name, other.run.sparsity) == tuple(where.values())]
    if any(other.model.name != run.model.name for other in alike):
        where["model"] = run.model.name
    if any(other.dataset.name != run.dataset.name for other in alike):
        where["dataset"] = run.dataset.name
    fields = [name for name in vars(run.method) if name != "name"]
    differing = [name for name in fields if any(getattr(o.method, name) != getattr(run.method, name) for o in alike)]
    return where | {f"method.{name}": getattr(run.method, name) for name in differing}
