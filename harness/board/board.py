"""Everything that the board shows, as one value that each view of it takes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.board import aggregate, deployed, reference, reliability, standing
from harness.board.published import Published
from harness.board.reliability import Measured
from harness.board.standing import Standing
from harness.board.tables import Table
from harness.records import Problem, Record, load_files
from harness.records.deployments import FOLDER, load_folder


@dataclass
class Board:
    """Everything that the board shows.

    Attributes:
        files: Every readable record, by file name.
        tables: One per task and budget.
        published: The published numbers that are known, for any task.
        problems: Files among the records, and rows of published numbers, that cannot be read as such.
        standing: Of its methods over the cells that are declared; None if no record is of one of them.
        reliability: What was measured of its runs afterwards, from kept networks.
    """

    files: dict[str, Record]
    tables: list[Table]
    published: list[Published]
    problems: list[Problem]
    standing: Standing | None = None
    reliability: Measured = field(default_factory=Measured)

    @property
    def failures(self) -> list[tuple[str, Record]]:
        """The runs that are not done, with their files: by task, method, sparsity and seed."""
        failed = [(name, record) for name, record in self.files.items() if record["status"] != "done"]

        def order(item: tuple[str, Record]) -> tuple[Any, ...]:
            name, run = item
            return (run["dataset"], run["model"], run["method"], run["sparsity"], run["seed"], name)

        return sorted(failed, key=order)


def read(records_dir: Path | str) -> Board:
    """Read a folder of records (``*.json``), and what was measured beside it, and compute the board.

    Raises:
        UsageError: The file that declares the cells of the standing is not such a file.
    """
    declared = standing.read(standing.path(records_dir))
    files, problems = load_files(records_dir)
    tables = aggregate.tables(files)
    deployments, broken = load_folder(Path(records_dir).parent / FOLDER)
    measured, left_off = reliability.read(Path(records_dir).parent, files)
    numbers, unread = reference.read()
    problems += broken + deployed.attach(tables, files, deployments) + left_off + unread
    return Board(files, tables, numbers, problems, standing.make(tables, declared), measured)
