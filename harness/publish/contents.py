"""What of an output is published, and what is said of each run."""

from dataclasses import dataclass
from pathlib import Path

from harness.audit import kept, submission
from harness.errors import UsageError
from harness.networks import keep
from harness.records import Problem, Record, load_files

PASSES = "passes"
"""What `sparsebench check` says of a record that it does not refuse."""


@dataclass(frozen=True)
class Contents:
    """What is published of an output.

    Attributes:
        output: The folder with ``records`` and ``networks``.
        records: The readable records of runs, by file name; failed runs are among them.
        checks: Of each record, `PASSES` or why it is refused.
        networks: Files of networks by key. Each is the file that its record names.
        left_out: Files of the output that are not published, with the reason.
    """

    output: Path
    records: dict[str, Record]
    checks: dict[str, str]
    networks: dict[str, Path]
    left_out: list[Problem]

    def verified(self, name: str) -> bool:
        """Whether a record may be called verified: made in a container, done, and not refused."""
        record = self.records[name]
        return record["runner"] == "docker" and record["status"] == "done" and self.checks[name] == PASSES


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
    found = submission.check(folder / name for name in records)
    checks = {path.name: "; ".join(reasons) or PASSES for path, reasons in found.items()}
    files: dict[str, Path] = {}
    for record in records.values() if networks else ():
        path = keep.path_of(output, record["key"])
        if record["status"] != "done" or record.get("network") is None or not path.exists():
            continue
        if problems := kept.refusals(output, record):
            left_out.append(Problem(path.name, problems[0]))
        else:
            files[record["key"]] = path
    return Contents(output, records, checks, files, left_out)
