"""Measures the reliability of runs and rows from their kept networks, and writes what records do not hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.audit.reliability import problems
from harness.board import aggregate
from harness.board.tables import Row
from harness.config import DatasetConfig
from harness.config.check import check_corruptible
from harness.errors import UsageError
from harness.records import Record, reliability
from harness.reliability import files
from harness.reliability.reload import Reloaded, Reloading, seed
from harness.tasks.reliability.corruptions import PASSES
from harness.tasks.reliability.measured import group
from harness.tasks.reliability.predictions import Ensemble, Together, predict

Tell = Callable[[float], object]
"""Takes the passes over a test set that have been made since it was last called."""

_CLEAN = 2.0  # passes of every run: its score, and its predictions


@dataclass(frozen=True)
class OfRun:
    """What came of one run.

    Attributes:
        file: Its record's file.
        record: Its record.
        group: Its reliability; None if nothing was measured.
        refused: Why nothing was measured; empty if something was.
        path: The file that was written; None where the record holds it all.
    """

    file: str
    record: Record
    group: dict[str, Any] | None = None
    refused: str = ""
    path: Path | None = None


@dataclass
class OfRow:
    """What came of the seeds of one row.

    Attributes:
        row: As the board has it.
        runs: What came of each, in the order of seeds.
        agreement: Share of test samples on which two seeds agree, mean over pairs; None of fewer than two.
        ensemble: The mean of their probabilities, scored; None of fewer than two.
        path: The file that was written.
    """

    row: Row
    runs: list[OfRun] = field(default_factory=list)
    agreement: float | None = None
    ensemble: Ensemble | None = None
    path: Path | None = None


def rows(found: Mapping[str, Record]) -> list[Row]:
    """Return the rows that records are of, as the board has them; a run that does not count there is in none.

    Args:
        found: Records by file, of any status.
    """
    return [row for table in aggregate.tables(found) for row in table.rows if row.runs]


class Measuring:
    """Measures rows one after the other."""

    def __init__(self, *, corruptions: bool = True, force: bool = False, model: str | None = None) -> None:
        """Prepare.

        Args:
            corruptions: Whether to measure accuracy under corruptions.
            force: Whether to measure that again where a record or a file holds it.
            model: See `harness.reliability.reload.Reloading`.
        """
        self._corruptions, self._force = corruptions, force
        self._reload = Reloading(model)

    @property
    def passes(self) -> float:
        """Passes over the test set that a run takes at most."""
        return _CLEAN + (PASSES if self._corruptions else 0)

    def __call__(self, row: Row, tell: Tell) -> OfRow:
        """Measure a row and write what came of it.

        Args:
            row: Its files are paths of records in ``OUTPUT/records``.
            tell: Takes progress: `passes` for each run, whatever becomes of it.

        Raises:
            OSError: A file cannot be written.
        """
        found, together = OfRow(row), Together()
        members: list[tuple[int, Record]] = []
        last: tuple[Path, Reloaded] | None = None
        for number, record in row.runs.items():
            output, made = Path(row.files[number]).absolute().parent.parent, _Counted(tell)
            try:
                reloaded = self._reload(output, record)
                made(1)
                of_run = self._of_run(output, row.files[number], record, reloaded, made)
                seed(reloaded.run)
                together.add(predict(reloaded.model, reloaded.test))
                members.append((number, record))
                last = output, reloaded
            except UsageError as error:  # other seeds may do
                of_run = OfRun(row.files[number], record, refused=str(error))
            found.runs.append(of_run)
            tell(self.passes - made.passes)
        if last is not None and len(members) > 1:
            found.agreement, found.ensemble = together.agreement(), together.ensemble()
            found.path = files.write_row(*last, members, found.agreement, found.ensemble)
        return found

    def _of_run(self, output: Path, file: str, record: Record, reloaded: Reloaded, tell: Tell) -> OfRun:
        """Measure a run, and write it unless its record holds it all.

        Raises:
            UsageError: Its record holds other values.
        """

        def measured(*, corruptions: bool) -> dict[str, Any]:
            _, model, test, score = reloaded
            return group(score, model, test, record["config"], corruptions=corruptions, tell=tell)

        samples, own = reloaded.test.samples, record.get("reliability")
        made = measured(corruptions=False)
        filed = _filed(output, record, made, samples)
        known = (own or filed).get("corruptions") or filed.get("corruptions")
        taken_over = bool(known) and not (self._force and self._corruptions)
        if known and taken_over:
            made["corruptions"] = dict(known)
        elif self._corruptions:
            _require_corruptible(reloaded.run.dataset)
            made = measured(corruptions=True)
        if own is not None:
            both = made.keys() & own.keys()
            if wrong := problems({part: own[part] for part in both}, {part: made[part] for part in both}, samples):
                raise UsageError(wrong[0])
            if made.keys() <= own.keys():
                return OfRun(file, record, made)
        if made.keys() <= filed.keys() and (taken_over or not self._force):  # its provenance is that of the corruptions
            return OfRun(file, record, made)
        return OfRun(file, record, made, path=files.write_run(output, record, reloaded, made))


class _Counted:
    """Passes progress on, and counts it."""

    def __init__(self, tell: Tell) -> None:
        self.passes, self._tell = 0.0, tell

    def __call__(self, passes: float) -> None:
        self.passes += passes
        self._tell(passes)


def _require_corruptible(dataset: DatasetConfig) -> None:
    try:
        check_corruptible(dataset)
    except UsageError as error:
        raise UsageError(f"{error}; --no-corruptions measures the rest") from None


def _filed(output: Path, record: Record, made: dict[str, Any], samples: int) -> dict[str, Any]:
    """Return what a file holds of a run; nothing if there is none, or if it contradicts what is measured now.

    Args:
        output: The folder with ``records`` and ``reliability``.
        record: Of the run.
        made: Its calibration as measured now.
        samples: Of the test set.
    """
    group = reliability.of_run(output, record) or {}
    calibration = {name: value for name, value in group.items() if name != "corruptions"}
    return group if group and not problems(calibration, made, samples) else {}
