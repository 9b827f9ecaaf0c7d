"""Two rows paired by seed: whether they can be compared, and their differences on common seeds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, NamedTuple

from harness.board import aggregate
from harness.board.statistics import LEVEL, t_quantile
from harness.board.tables import Row, Table
from harness.console import printable
from harness.errors import UsageError, cut, short
from harness.records import Record
from harness.records.identity import canonical, of_record, settings
from harness.records.metrics import Metric
from harness.reports.sides import Side, flat

_MOST_NAMED = 4
_MOST_PAIRS = 1000


class Line(NamedTuple):
    """A row of one side.

    Attributes:
        table: The table that it belongs to.
        row: The row.
        data: Fingerprint of its data; None if unknown.
        terms: Data set, budget and device, as text.
    """

    table: Table
    row: Row
    data: str | None
    terms: str


@dataclass(frozen=True)
class Pair:
    """Two rows that can be compared.

    Attributes:
        first: Of side A.
        second: Of side B.
        seeds: Those that both have finished.
    """

    first: Line
    second: Line
    seeds: tuple[int, ...]

    def values(self, *path: str) -> tuple[dict[int, Any], dict[int, Any]]:
        """Return a value of the records of both sides by seed, where both know it, e.g. ``metrics``, ``test_loss``."""
        first, second = ({seed: _at(line.row.runs[seed], path) for seed in self.seeds} for line in self.lines)
        known = [seed for seed in self.seeds if first[seed] is not None and second[seed] is not None]
        return {seed: first[seed] for seed in known}, {seed: second[seed] for seed in known}

    @property
    def metric(self) -> Metric:
        """What both are compared by: their data set is the same."""
        return self.first.table.metric

    @property
    def lines(self) -> tuple[Line, Line]:
        """Both rows with their tables."""
        return self.first, self.second

    @property
    def rows(self) -> tuple[Row, Row]:
        """Both rows of the board."""
        return self.first.row, self.second.row


def _at(record: Record, path: tuple[str, ...]) -> Any:
    value: Any = record
    for name in path:
        value = (value or {}).get(name)
    return value


@dataclass(frozen=True)
class Difference:
    """The mean of the differences of pairs.

    Attributes:
        mean: First minus second.
        half_width: Half a 95 % interval by Student's t; None for one pair.
        n: How many pairs.
        p: Two-sided p-value of "both are equal"; None where there is no interval, or one of no width.
    """

    mean: float
    half_width: float | None
    n: int
    p: float | None


def paired_difference(
    first: Mapping[int, float], second: Mapping[int, float], resolution: float = 0.0
) -> Difference | None:
    """Return the paired difference of two sides over common seeds, first minus second; None without any.

    Args:
        first: Values by seed.
        second: Likewise.
        resolution: The least difference that a value can show, as one test sample. The standard deviation is taken to
            be at least that, or seeds that happen to differ by the same single sample would be proof.
    """
    from scipy import special

    values = [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]
    if not values:
        return None
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Difference(mean, None, 1, None)
    variance = max(math.fsum((value - mean) ** 2 for value in values) / (n - 1), resolution**2)
    error = math.sqrt(variance / n)
    p = 2 * float(special.stdtr(n - 1, -abs(mean) / error)) if error else None
    return Difference(mean, t_quantile(n - 1, LEVEL / 2) * error, n, p)


def pair(first: Side, second: Side) -> Pair:
    """Find the one row of each side that can be compared; the board's rules say which runs make a row.

    Raises:
        UsageError: Nothing can be compared, with what is in the way, or several rows could be.
    """
    ours, theirs = lines(first), lines(second)
    pairs = (pair for pair in product(ours, theirs) if pair[0].terms == pair[1].terms and not obstacles(*pair))
    fits = list(islice(pairs, _MOST_PAIRS))
    if not fits:
        every = [obstacles(*pair) for pair in islice(product(ours, theirs), _MOST_PAIRS)]
        fewest = every[min(range(len(every)), key=lambda place: len(every[place]))]
        raise UsageError(f"A and B cannot be compared: {printable('; '.join(fewest))}")
    for side, place in ((first, 0), (second, 1)):
        found = {id(fit[place].row): fit[place] for fit in fits}
        if len(found) > 1:
            raise UsageError(_several(side, list(found.values())))
    one, other = fits[0]
    return Pair(one, other, tuple(sorted(one.row.runs.keys() & other.row.runs.keys())))


def lines(side: Side) -> list[Line]:
    """Return the rows of a side that have a finished run.

    Raises:
        UsageError: There is none.
    """
    done = [_line(table, row) for table in aggregate.tables(side.files) for row in table.rows if row.runs]
    if not done:
        words = sorted({f"seed {record['seed']} {record['status']}" for record in side.files.values()})
        raise UsageError(f"{side.letter} has no finished run: {', '.join(words[:_MOST_NAMED])}")
    return done


def _line(table: Table, row: Row) -> Line:
    terms = canonical([table.task["dataset"], table.budget, row.device])
    return Line(table, row, of_record(row.example).data, terms)


def obstacles(one: Line, other: Line) -> list[str]:
    """Say why two rows cannot be compared, a line each; nothing if they can."""
    found = [] if one.terms == other.terms else _other_terms(one, other)
    if None not in (one.data, other.data) and one.data != other.data and not found:
        found.append(f"other data (fingerprints {str(one.data)[:12]} and {str(other.data)[:12]})")
    common = one.row.runs.keys() & other.row.runs.keys()
    if not common:
        seeds = (", ".join(map(str, sorted(line.row.runs))) for line in (one, other))
        found.append(f"no common seed (A has {next(seeds)}, B has {next(seeds)})")
    elif all(one.row.runs[seed]["key"] == other.row.runs[seed]["key"] for seed in common):
        found.append("they are the same runs")
    return found


def _other_terms(one: Line, other: Line) -> list[str]:
    found, measured = [], [line.table.metric for line in (one, other)]
    if measured[0] != measured[1]:
        found.append(f"other metric ({_against(*measured)})")
    sets = ({k: v for k, v in line.table.task["dataset"].items() if k != "metric"} for line in (one, other))
    if names := _differing(*sets):
        told = ["name"] if "name" in names else list(names)  # another data set has other counts as well
        words = (f"{name} {_word(names[name][0])} and {_word(names[name][1])}" for name in told)
        found.append(f"other data ({', '.join(words)})")
    if one.table.budget != other.table.budget:
        found.append(f"other budget ({one.table.budget} and {other.table.budget})")
    if one.row.device != other.row.device:
        found.append(f"other device ({one.row.device} and {other.row.device})")
    return found


def _against(first: Metric, second: Metric) -> str:
    """Name two metrics, and where both have the same name, what of them differs."""
    if first.label != second.label:
        return f"{first.label} against {second.label}"
    ours, theirs = first.described(), second.described()
    name = next(name for name in ours if ours[name] != theirs[name])
    return f"{first.label}, whose {name} is {_word(ours[name])} against {_word(theirs[name])}"


def settings_that_differ(one: Line, other: Line) -> dict[str, tuple[str, str]]:
    """Return the settings, seeds aside, that two rows do not share, with both values in words."""
    ours, theirs = (dict(flat(_whole(line))) for line in (one, other))
    return {name.removeprefix("run."): (_word(a), _word(b)) for name, (a, b) in _differing(ours, theirs).items()}


_ABSENT = object()


def _whole(line: Line) -> dict[str, Any]:
    """Return the settings of a row that its runs share; what a flat view leaves out is put into a group."""
    record = line.row.example
    found = {name: value for name, value in settings(record["config"]).items() if name != "seed"}
    run = {"sparsity": record["sparsity"], "runner": record["runner"], "device": line.row.device}
    return found | {"run": run}


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = [*ours, *(name for name in theirs if name not in ours)]
    both = {name: (ours.get(name, _ABSENT), theirs.get(name, _ABSENT)) for name in names}
    return {name: values for name, values in both.items() if _text(values[0]) != _text(values[1])}


def _text(value: Any) -> str:
    return "" if value is _ABSENT else canonical(value)


def _word(value: Any) -> str:
    if value is _ABSENT:
        return "–"
    return cut(value if isinstance(value, str) else canonical(value))


def _several(side: Side, found: list[Line]) -> str:
    """Say how the rows of a side differ, and how to choose one."""
    facts = [dict(flat(_whole(line))) | {"budget": line.table.budget} for line in found]
    names = sorted({name for each in facts for name in _differing(facts[0], each)})
    words = []
    for name in names[:_MOST_NAMED]:
        values = sorted({_word(each.get(name, _ABSENT)) for each in facts})[:_MOST_NAMED]
        words.append(f"{name.removeprefix('run.')} ({', '.join(values)})")
    differ = f" that differ in {printable(', '.join(words))}" if words else ""
    told = f"{side.letter}, {short(side.given)}, has several rows{differ}"
    return f"{told}: choose one with a selector such as 'method=rigl sparsity=0.9'"
