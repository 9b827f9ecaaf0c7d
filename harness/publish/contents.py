"""What of an output is published, and what is said of each run."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.audit import submission
from harness.board import deployed, reliability
from harness.errors import UsageError
from harness.networks import keep
from harness.records import Problem, Record, deployments, load_files
from harness.records import reliability as measurements
from harness.records.folder import record_paths

MEASURED = (deployments.FOLDER, measurements.FOLDER)
"""Folders of an output with what was measured of its networks afterwards."""

FOLDERS = ("records", keep.FOLDER, *MEASURED)
"""The folders of a publication."""

PASSES = "passes"
"""What `sparsebench check` says of a record that it does not refuse."""


class Counted(NamedTuple):
    """How many runs are done, may be called verified, and are refused by the checker."""

    done: int
    verified: int
    refused: int


@dataclass(frozen=True)
class Contents:
    """What is published of an output.

    Attributes:
        output: The folder with ``records`` and ``networks``.
        records: The readable records of runs, by file name; failed runs are among them.
        checks: Of each record, `PASSES` or why it is refused.
        networks: Files of networks by key. Each is the file that its record names.
        measured: What was measured of the networks afterwards (deploy, reliability): files by their path in the output.
        left_out: Files of the output that are not published, with the reason.
    """

    output: Path
    records: dict[str, Record]
    checks: dict[str, str]
    networks: dict[str, Path]
    measured: dict[str, Path]
    left_out: list[Problem]

    def verified(self, name: str) -> bool:
        """Whether a record may be called verified: made in a container, done, and not refused."""
        record = self.records[name]
        return record["runner"] == "docker" and record["status"] == "done" and self.checks[name] == PASSES

    def counted(self) -> Counted:
        """Count the runs by what is said of them."""
        return Counted(
            done=sum(record["status"] == "done" for record in self.records.values()),
            verified=sum(map(self.verified, self.records)),
            refused=sum(said != PASSES for said in self.checks.values()),
        )


def gather(output: Path, *, networks: bool = True) -> Contents:
    """Look through an output.

    Args:
        output: The folder with ``records``.
        networks: Whether kept networks are published.

    Raises:
        UsageError: It holds no records.
    """
    folder = output / "records"
    records, left_out = load_files(folder)
    if not records:
        raise UsageError(f"nothing to publish: {folder} holds no records of runs")
    reasons = {path.name: found for path, found in submission.check(folder / name for name in records).items()}
    kept: dict[str, Path] = {}
    for name, record in records.items():
        path = keep.path_of(output, record["key"])
        if not networks or record["status"] != "done" or record.get("network") is None or not path.exists():
            continue
        # The checker has recounted the record from it, unless its config stood in the way.
        if problem := next((reason for reason in reasons[name] if reason.startswith(("network:", "config:"))), None):
            left_out.append(Problem(path.name, problem))
        else:
            kept[record["key"]] = path
    checks = {name: "; ".join(found) or PASSES for name, found in reasons.items()}
    measured, problems = _measured(output, records)
    return Contents(output, records, checks, kept, measured, [*left_out, *problems])


def _measured(output: Path, records: dict[str, Record]) -> tuple[dict[str, Path], list[Problem]]:
    """Return the measurements that count on the board, by their path in an output, and other files with the reason."""
    found, problems = deployments.load_folder(output / deployments.FOLDER)
    problems += [*deployed.attach([], records, found), *reliability.read(output, records)[1]]
    refused = {problem.file for problem in problems}
    paths = [path for name in MEASURED for path in record_paths(output / name)]
    named = {f"{path.parent.name}/{path.name}": path for path in paths}
    return {name: path for name, path in named.items() if name not in refused}, problems
