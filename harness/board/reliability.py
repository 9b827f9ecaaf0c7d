"""Reliability of the models of a row: off the main table, in one of its own, and never ranked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness.board import wording
from harness.board.statistics import mean_of_known
from harness.board.tables import Row, Table
from harness.records import Problem, Record, RecordError, metrics, reliability
from harness.records.folder import problem
from harness.records.metrics import ACCURACY
from harness.records.reliability_schema import BINS
from harness.vocabulary import CORRUPTIONS

_UNKNOWN = "–"
_UNDER = ["corrupted top-1 %", *(f"{name} %" for name in CORRUPTIONS)]
HEADERS = ["method", "sparsity", "top-1 %", "calibration error %", "Brier score", *_UNDER]
_TOGETHER = ["seeds agree %", "ensemble top-1 %"]
HEADERS += [*_TOGETHER, "measured"]

_CORRUPTED = "Corrupted: mean accuracy under six corruptions at two severities, and under each. "
_OF_SEEDS = (
    "Seeds agree on a test image if they predict the same class; the ensemble takes the mean of their probabilities. "
)
NOTE = (
    "Reliability, never ranked; means over seeds. Calibration error: expected, over 15 bins of equal width. Brier "
    f"score: 0 at best, 2 at worst. {_CORRUPTED}{_OF_SEEDS}"
    "What was measured in the run of a container, its referee measured too; what was measured afterwards, agreement "
    "and ensemble always, is a claim (docs/reliability.md)."
)
"""What stands above a table that has every column; `shown` says what does above others."""


@dataclass
class Measured:
    """What was measured from kept networks, of runs that are on the board.

    Attributes:
        runs: The group ``reliability`` of a run, by its key.
        rows: The contents of the files of rows that a run is in, by its key.
    """

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def read(output: Path, files: Mapping[str, Record]) -> tuple[Measured, list[Problem]]:
    """Read what lies beside the records.

    Args:
        output: The folder with ``records`` and ``reliability``.
        files: Every readable record, by file name.

    Returns:
        What was measured of these records, and the files that are left off, with the reason.
    """
    found, problems = Measured(), []
    paths = reliability.paths(output)
    known = {record["key"]: record for record in files.values()} if paths else {}
    for path in paths:
        try:
            content = reliability.load(path)
            _require(content, known)
        except (RecordError, OSError) as error:
            problems.append(problem(f"{reliability.FOLDER}/{path.name}", error))
        else:
            if content["of"] == "run":
                found.runs[content["key"]] = content["reliability"]
            else:
                for each in content["runs"]:
                    found.rows.setdefault(each["key"], []).append(content)
    return found, problems


def _require(content: dict[str, Any], known: Mapping[str, Record]) -> None:
    """Refuse what is not of a record here, or of another network than the record's."""
    for each in content["runs"] if content["of"] == "row" else [content]:
        record = known.get(each["key"])
        if record is None:
            raise RecordError(f"no record here has the key {each['key']}")
        if (record.get("network") or {}).get("sha256") != each["network"]:
            raise RecordError(f"measured from another network than that of the record {each['key']}")
        if metrics.of(record) != ACCURACY:
            raise RecordError(f"the record {each['key']} is of no classification, whose reliability alone is measured")
        if content["of"] == "run" and metrics.test(record) != content["accuracy"]:
            raise RecordError(f"its accuracy is not that of the record {each['key']}")


class Shown(NamedTuple):
    """What is shown of a table.

    Attributes:
        note: What stands above it.
        headers: Its columns: those of `HEADERS` of which something is known.
        rows: Its cells; empty if nothing is known.
    """

    note: str
    headers: list[str]
    rows: list[list[str]]


def shown(measured: Measured, table: Table) -> Shown:
    """Return what is shown of a table: no column, and no word on it, that is unknown of every row."""
    rows = of_table(measured, table)
    kept = [place for place in range(len(HEADERS)) if any(row[place] != _UNKNOWN for row in rows)]
    headers, note = [HEADERS[place] for place in kept], NOTE
    for said, names in ((_CORRUPTED, _UNDER), (_OF_SEEDS, _TOGETHER)):
        if not set(names) & set(headers):
            note = note.replace(said, "")
    if metrics.samples(table.task["dataset"]) != "images":
        note = note.replace("a test image", "a test sample")
    return Shown(note, headers, [[row[place] for place in kept] for row in rows])


def of_table(measured: Measured, table: Table) -> list[list[str]]:
    """Return the rows of a table of which something is known, by the columns of `HEADERS`."""
    return [cells for row in table.rows if (cells := _cells(measured, row))]


def _cells(measured: Measured, row: Row) -> list[str]:
    runs = list(row.counted.values())
    known = [group for run in runs if (group := _group(measured, run)) and group["bins"] == BINS]
    together = _together(measured, row)
    if not known and together is None:
        return []
    under = [group["corruptions"] for group in known if "corruptions" in group]
    every = mean_of_known(value for each in under for name in CORRUPTIONS for value in each[name])
    kinds = [mean_of_known(value for each in under for value in each[name]) for name in CORRUPTIONS]
    brier = mean_of_known(group["brier"] for group in known)
    return [
        row.method,
        f"{row.sparsity:g}",
        wording.score(row),
        _percent(mean_of_known(group["ece"] for group in known), len(known), len(runs)),
        _UNKNOWN if brier is None else f"{brier:.4f}",
        _percent(every, len(under), len(runs)),
        *(_percent(kind) for kind in kinds),
        *_of_seeds(together, len(row.runs)),
        _when(measured, runs),
    ]


def _group(measured: Measured, run: Record) -> dict[str, Any]:
    """Return what is known of a run; its own record, which a referee may have checked, comes first."""
    return {**measured.runs.get(run["key"], {}), **(run.get("reliability") or {})}


def _together(measured: Measured, row: Row) -> dict[str, Any] | None:
    """Return what was measured of most seeds of a row together; None if nothing was."""
    keys = {run["key"] for run in row.runs.values()}
    found = [content for key in sorted(keys) for content in measured.rows.get(key, ())]
    inside = [content for content in found if {each["key"] for each in content["runs"]} <= keys]
    return max(inside, key=lambda content: len(content["runs"]), default=None)


def _of_seeds(together: dict[str, Any] | None, every: int) -> list[str]:
    if together is None:
        return [_UNKNOWN, _UNKNOWN]
    number = len(together["runs"])
    return [_percent(value, number, every) for value in (together["agreement"], together["ensemble"]["accuracy"])]


def _when(measured: Measured, runs: list[Record]) -> str:
    """Say where what is known of single runs comes from."""
    own = any(run.get("reliability") for run in runs)
    later = any(_group(measured, run) != (run.get("reliability") or {}) for run in runs)
    return " and ".join([*(["in the run"] if own else []), *(["afterwards"] if later or not own else [])])


def _percent(value: float | None, number: int = 1, every: int = 1) -> str:
    if value is None:
        return _UNKNOWN
    return f"{100 * value:.2f}" + ("" if number == every else f" ({number} of {every} seeds)")
