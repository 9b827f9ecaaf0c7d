"""What a suite consists of, kept where it was started: ``OUTPUT/suites/NAME-DIGEST.json``.

With it `sparsebench status` tells in a moment what planning would take torch and minutes for, and tells what was
started, whatever has changed in the code since.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.records import write_atomic
from harness.records.identity import canonical

if TYPE_CHECKING:
    from harness.plan.planned import Planned

FOLDER = "suites"
_NOT_THE_SUITE = ("output",)
"""Settings that suites of one folder do not differ in."""


@dataclass(frozen=True)
class Listed:
    """A run of a suite.

    Attributes:
        key: Its key.
        file: The name of its record.
        title: A name for a person.
        row: Tells its row; the seeds of a row share it.
        task: Data set and model.
    """

    key: str
    file: str
    title: str
    row: str
    task: str


_COLUMNS = [field.name for field in fields(Listed)]


def listed(planned: "Planned", file: str) -> Listed:
    """Return a planned run as a listing holds it.

    Args:
        planned: The run.
        file: The name that its record has or will have.
    """
    found = planned.found.path.name if planned.settled and planned.found is not None else file
    row = hashlib.sha256(planned.identity.row.encode()).hexdigest()[:8]
    return Listed(planned.key, found, planned.title, row, f"{planned.run.dataset.name}/{planned.run.model.name}")


def write(output: Path, suite: str, overrides: Sequence[str], runs: Iterable[Listed]) -> None:
    """Keep what a suite consists of.

    Args:
        output: Folder of its results.
        suite: Its name.
        overrides: Those that it was started with.
        runs: Its runs.

    Raises:
        OSError: It cannot be written.
    """
    settings = _settings(overrides)
    found = {
        "suite": suite,
        "overrides": settings,
        "planned": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "columns": _COLUMNS,
    }
    lines = ",\n".join(json.dumps(list(asdict(run).values())) for run in runs)
    text = f'{json.dumps(found)[:-1]}, "runs": [\n{lines}\n]}}\n'
    write_atomic(output / FOLDER / f"{suite}-{_digest(settings)}.json", text)


def read(output: Path, suite: str, overrides: Sequence[str]) -> tuple[str, list[Listed]] | None:
    """Return when a suite was planned, and its runs; None if it was not started in this folder.

    Args:
        output: Folder of its results.
        suite: Its name.
        overrides: Those that it was started with; none for all that was started of the suite.
    """
    settings = _settings(overrides)
    pattern = f"{suite}-{_digest(settings)}.json" if settings else f"{suite}-*.json"
    found: dict[str, Listed] = {}
    times = []
    for path in sorted((output / FOLDER).glob(pattern)):
        try:
            listing = json.loads(path.read_bytes())
            if listing["suite"] != suite or listing["columns"] != _COLUMNS:
                continue
            runs = [Listed(*map(str, values)) for values in listing["runs"]]
            times.append(str(listing["planned"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue  # of another version, or damaged: as if it was not there
        found |= {run.key: run for run in runs}
    return (max(times), list(found.values())) if times else None


def _settings(overrides: Sequence[str]) -> dict[str, str]:
    pairs = dict(override.partition("=")[::2] for override in overrides)
    return {name: pairs[name] for name in sorted(pairs) if name not in _NOT_THE_SUITE}


def _digest(settings: dict[str, str]) -> str:
    return hashlib.sha256(canonical(settings).encode()).hexdigest()[:12]
