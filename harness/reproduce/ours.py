"""Our side of a table: the rows of a suite, and what the records of each say."""

from collections.abc import Iterable, Mapping, Sequence
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
from harness.records.identity import canonical
from harness.records.identity import settings as settings_of_run
from harness.records.metrics import Metric
from harness.reproduce.paper import Where

# What tells runs of one row apart, or says where and how often a run is looked at, but not what it trains.
_NOT_THE_ROW = frozenset(("seed", "device", "loader", "evaluations"))
_NEAR = 0.005
"""Share of a density by which a paper may round it: 0.9192 is 91/99."""


@dataclass
class Cell:
    """A row of a suite.

    Attributes:
        run: Its settings, with one of its seeds.
        seeds: Those that the suite has.
        row: The records that count for it, chosen as the board does; None if there are none.
    """

    run: RunConfig
    seeds: list[int] = field(default_factory=list)
    row: Row | None = None

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
    def lost(self) -> int:
        """How many of its runs ended without a result."""
        return self.row.lost if self.row else 0


def cells(runs: Iterable[RunConfig]) -> list[Cell]:
    """Group the runs of a suite by row, in their order."""
    found: dict[str, Cell] = {}
    for run in runs:
        cell = found.setdefault(_text(config.to_dict(run)), Cell(run))
        if run.seed not in cell.seeds:
            cell.seeds.append(run.seed)
    return list(found.values())


def fill(found: Iterable[Cell], records: "Records") -> None:
    """Find the records of cells: those of runs made in a container come first, then those of most seeds."""
    for cell in found:
        files = records.of(cell.run)
        rows = [row for table in aggregate.tables(files) for row in table.rows if row.runs or row.lost]
        cell.row = max(rows, key=lambda row: (bool(row.runs), row.runner == "docker", len(row.runs)), default=None)


class Records:
    """The records of a folder, found by the row that they are of; only those of the cell asked for are read."""

    def __init__(self, folder: Path) -> None:
        """Take a folder, which need not exist."""
        self._folder = folder
        self.problems: list[Problem] = []

    @cached_property
    def _paths(self) -> list[Path]:
        return list(record_paths(self._folder))

    def of(self, run: RunConfig) -> dict[str, Record]:
        """Return the records of a row, of any seed and status, by file name.

        Where a run was trained, and how often it was validated, does not count here.
        """
        wanted = _text(config.to_dict(run))
        start = cell_name(run.dataset.name, run.model.name, run.method.name, run.sparsity, 0).removesuffix("0")
        found = {}
        for path in self._paths:
            if not path.name.startswith(start):
                continue
            record = load_or_problem(path)
            if isinstance(record, Problem):
                if record not in self.problems:
                    self.problems.append(record)
            elif _text(record["config"]) == wanted:
                found[path.name] = record
        return found


def _text(plain: Mapping[str, Any]) -> str:
    """Return what tells a row from every other, as text.

    Args:
        plain: The config of a record, or of a run that may not be settled.
    """
    return canonical({name: value for name, value in settings_of_run(plain).items() if name not in _NOT_THE_ROW})


def matching(where: Where, found: Sequence[Cell]) -> list[Cell]:
    """Return the cells that have some settings."""
    return [cell for cell in found if all(_has(cell.run, name, value) for name, value in where.items())]


def _has(run: RunConfig, name: str, wanted: Any) -> bool:
    if isinstance(wanted, list):
        listed = _setting(run, name)
        return listed == wanted if isinstance(listed, list) else any(_has(run, name, each) for each in wanted)
    value = _setting(run, name)
    if name == "sparsity" and isinstance(wanted, int | float):
        return bool(abs(value - wanted) <= _NEAR * (1 - value)) and (value == 0) == (wanted == 0)
    if name == "model" and MODEL_ALIASES.get(str(wanted)) == value:
        return True
    if isinstance(value, float) and isinstance(wanted, int | float):
        return bool(abs(value - wanted) <= 1e-9 * max(1.0, abs(value)))
    return bool(value == wanted)


def _setting(run: RunConfig, name: str) -> Any:
    """Return the value of a setting by its full name; None where the run, as of another method, has no such setting."""
    value: Any = run
    for part in name.split("."):
        value = getattr(value, part, None)
    return getattr(value, "name", value) if name in ("method", "model", "dataset", "recipe", "runner") else value
