"""Everything that the board shows, as one value that each view of it takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.board import aggregate, published, standing
from harness.board.published import Published
from harness.board.standing import Standing
from harness.board.tables import Table
from harness.records import Problem, Record, load_files


@dataclass
class Board:
    """Everything that the board shows.

    Attributes:
        files: Every readable record, by file name.
        tables: One per task and budget.
        published: The published numbers that are known, for any task.
        problems: Files among the records that cannot be read as records.
        standing: Of its methods over the cells that are declared; None if no record is of one of them.
    """

    files: dict[str, Record]
    tables: list[Table]
    published: list[Published]
    problems: list[Problem]
    standing: Standing | None = None

    @property
    def failures(self) -> list[tuple[str, Record]]:
        """The runs that are not done, with their files: by task, method, sparsity and seed."""
        failed = [(name, record) for name, record in self.files.items() if record["status"] != "done"]

        def order(item: tuple[str, Record]) -> tuple[Any, ...]:
            name, run = item
            return (run["dataset"], run["model"], run["method"], run["sparsity"], run["seed"], name)

        return sorted(failed, key=order)


def read(records_dir: Path | str) -> Board:
    """Read a folder of records (``*.json``) and compute the board.

    Raises:
        UsageError: The file that declares the cells of the standing is not such a file.
    """
    declared = standing.read(standing.path(records_dir))
    files, problems = load_files(records_dir)
    tables = aggregate.tables(files)
    return Board(files, tables, published.load(), problems, standing.make(tables, declared))
