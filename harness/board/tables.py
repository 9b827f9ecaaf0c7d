"""The board as values: tables of rows, made by `harness.board.aggregate` and shown by every view of the board."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.board.ranks import Place
from harness.board.statistics import Estimate, estimate, mean_of_known
from harness.board.usage import Usage, by_hardware
from harness.budget.kinds import words
from harness.records import Record, metrics, whole_budget
from harness.records.deployments import Deployment
from harness.records.metrics import Metric
from harness.records.ruleset import PUBLISHED

if TYPE_CHECKING:
    from harness.board.levels import Level


REFERENCE = "dense"
"""The method that is no competitor: it has no rank, and others are compared with it."""


@dataclass
class Row:
    """One method at one sparsity in one table.

    Attributes:
        method: Its name on the board, with the settings that tell it from another row of the same method.
        name: The method's own name.
        settings: Its hyper-parameters as resolved.
        device: ``cpu`` or ``cuda``; it also decides the precision of the arithmetic.
        runs: The record that counts for each seed that is done, by seed.
        files: The names of these records' files, by seed.
        example: One of its records, for what they share; of those that count, if any does.
        failed: How the runs of other seeds ended that ended by what the method did: ``diverged`` or ``invalid``.
        statuses: How often each status is the last word on a seed.
        newer: How many later runs of other code, data or environment ended without a verdict, by status.
        superseded: How many records are replaced by a newer one of the same run, or by newer code.
        apart: Whether it is local in a table that ranks verified rows, or the reverse: it has no rank.
        required: How many seeds, counted from 0, its level requires.
        unranked: Why it is not ranked, in words; empty if it is, or would be if it were no reference.
        place: Its rank interval; None where it is not ranked.
        variant: Whether another row of its level is its method's.
        foreign: How it was made otherwise than most of its table, in words; empty if alike, or if that is not asked.
        deployed: What was measured of the networks of its runs (`harness.board.deployed`), by seed.
    """

    method: str
    name: str
    settings: dict[str, Any]
    sparsity: float
    runner: str
    device: str
    runs: dict[int, Record]
    files: dict[int, str]
    failed: dict[int, str]
    statuses: dict[str, int]
    newer: dict[str, int]
    superseded: int
    example: Record
    apart: bool = False
    required: int = 0
    unranked: str = ""
    place: Place | None = None
    variant: bool = False
    foreign: str = ""
    deployed: dict[int, list[Deployment]] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """How many seeds were started and have no result: diverged, invalid, out of time or memory, failed."""
        return sum(count for status, count in self.statuses.items() if status != "done")

    @property
    def counted(self) -> dict[int, Record]:
        """The runs that figures are taken from; of a row that is ranked, those of the required seeds alone."""
        every = self.unranked or not self.required
        return {seed: run for seed, run in self.runs.items() if every or seed < self.required}

    @property
    def metric(self) -> Metric:
        """What it is compared by."""
        return metrics.of(self.example)

    @property
    def scores(self) -> dict[int, float]:
        """The metric on the test set by seed, of the `counted` runs."""
        return {seed: result(run) for seed, run in self.counted.items()}

    @property
    def gains(self) -> dict[int, float]:
        """The same such that more is better: what tests and ranks are of."""
        gain = self.metric.gain
        return {seed: gain(value) for seed, value in self.scores.items()}

    @property
    def score(self) -> Estimate | None:
        """The mean of `scores` with its interval; None where no seed is done."""
        return estimate(list(self.scores.values())) if self.runs else None

    @property
    def gain(self) -> float | None:
        """The mean of `gains`; None where no seed is done."""
        score = self.score
        return None if score is None else self.metric.gain(score.mean)

    @property
    def says_nothing(self) -> bool:
        """Whether the interval is as wide as all values of the metric: what its few seeds gave lies too far apart."""
        score, low, high = self.score, self.metric.lowest, self.metric.highest
        if score is None or score.half_width is None or low is None or high is None:
            return False
        return score.half_width >= (high - low) / 2

    def mean(self, part: str, name: str) -> float | None:
        """Return the mean over the `counted` runs of ``record[part][name]``, None where none knows it."""
        return mean_of_known(run[part][name] for run in self.counted.values())

    def provenance(self, name: str) -> list[Any]:
        """Return the distinct known values of a provenance field, sorted."""
        return sorted({run["provenance"][name] for run in self.runs.values()} - {None})

    @property
    def usage(self) -> dict[str, Usage]:
        """Time, memory and energy by hardware: these are never averaged across machines."""
        return by_hardware(self.runs.values())


@dataclass
class Table:
    """One task under one budget on one kind of device, with the rows in the order of the board.

    Attributes:
        recipe: The recipe's name, with what tells it from another recipe of that name.
        task: The resolved ``dataset``, ``model`` and ``recipe``.
        levels: The tests and ranks of each sparsity.
        alone: Whether no other table has the same task and budget on another device.
        ruleset: How the hyper-parameters of all its rows were chosen (`harness.records.ruleset`).
        trials: How many trials each row's were chosen from; None if they were not tuned.
        space: The ranges, in words, of the settings of the recipe that all rows were tuned in.
    """

    dataset: str
    model: str
    recipe: str
    kind: str
    amount: float
    stretch: float
    rounds: str
    device: str
    task: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    levels: list["Level"] = field(default_factory=list)
    alone: bool = True
    ruleset: str = PUBLISHED
    trials: int | None = None
    space: dict[str, str] = field(default_factory=dict)

    @property
    def budget(self) -> str:
        """The budget in words."""
        return in_words({"kind": self.kind, "amount": self.amount, "stretch": self.stretch, "rounds": self.rounds})

    @property
    def metric(self) -> Metric:
        """What its rows are compared by."""
        return metrics.of_dataset(self.task["dataset"])

    @property
    def local(self) -> bool:
        """Whether no method, dense aside, has a result from a container: then local rows are ranked."""
        verified = (row for row in self.rows if row.runner == "docker" and row.name != REFERENCE)
        return not any(row.runs or row.failed for row in verified)

    @property
    def title(self) -> str:
        """The table's name."""
        device = "" if self.alone else f" · on {self.device}"
        tuned = "" if self.trials is None else f" · {self.ruleset}, {self.trials} trials each"
        return f"{self.dataset} · {self.model} · recipe {self.recipe} · budget {self.budget}{tuned}{device}"

    @property
    def sparsities(self) -> list[float]:
        """The levels at which methods are compared (0, the dense reference, left out)."""
        return sorted({row.sparsity for row in self.rows if row.sparsity > 0})


def result(record: Record) -> float:
    """Return the metric of a run that is done on the test set."""
    value = metrics.test(record)
    assert value is not None  # else the record would have been refused, or is of a trial
    return value


def in_words(budget: dict[str, Any]) -> str:
    """Return a record's budget in words, e.g. ``160 epochs``, ``5 × 32000 steps`` or ``182 epochs each round``."""
    budget = whole_budget(budget)
    kind, amount, stretch = budget["kind"], budget["amount"], budget["stretch"]
    times = f"{stretch:g} × " if stretch != 1 else ""
    rounds = " each round" if budget["rounds"] == "each" else ""
    return f"{times}{words(kind, amount)}{rounds}"
