"""From records to the board's files; nothing is computed or written if nothing has changed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import collection
from harness.board import stamp
from harness.board.board import Board, read
from harness.board.documents import contents, update
from harness.board.markdown import markdown
from harness.board.sheet import csv_text
from harness.board.standing import words as standing
from harness.errors import UsageError
from harness.records import Problem, write_atomic

FILES = ("leaderboard.csv", "standing.csv", "leaderboard.md", "leaderboard.html", "pareto.svg")
"""The board's files."""

REPRODUCTIONS = "reproductions.html"
"""The page of `harness.reproduce`, to which the board's links where it lies beside it."""


@dataclass(frozen=True)
class Summary:
    """What `make` found and wrote.

    Attributes:
        records: Readable records.
        tables: Tasks under a budget.
        failures: Runs that are not done.
        problems: Files among the records that cannot be read as records.
        written: The board's files, whether or not their content changed.
    """

    records: int
    tables: int
    failures: int
    problems: tuple[Problem, ...]
    written: tuple[Path, ...]


def make(records_dir: Path | str, output_dir: Path | str, documents: Sequence[Path] = ()) -> Summary:
    """Make the board of a folder of records.

    The files are a pure function of the records, and of whether `REPRODUCTIONS` lies beside them. A file whose content
    would not change is not touched, and a board that is up to date is not computed.

    Args:
        records_dir: Where the records are (``*.json``).
        output_dir: Where `FILES` go.
        documents: Files in which the results between markers are brought up to date as well.

    Returns:
        What was read and written; unreadable records are among its problems and left off the board.

    Raises:
        UsageError: The output cannot be written, a document has no markers, or the cells of the standing are declared
            wrongly.
    """
    output = Path(output_dir)
    written = tuple(output / name for name in FILES)
    watched = (*written, *documents)
    try:
        linked = (output / REPRODUCTIONS).is_file()
        made_from = f"{stamp.inputs(records_dir)}{' linked' if linked else ''}"
        known = stamp.summary(output / stamp.NAME, made_from, watched)
        if known is None:
            with collection.paused():
                board = read(records_dir)
                made = _files(board, Path(records_dir), output, linked)
            known = _found(board)
            for path, content in zip(written, made, strict=True):
                if not path.exists() or path.read_text(encoding="utf-8") != content:
                    write_atomic(path, content)
            shown = contents(board) if documents else {}
            for document in documents:
                update(document, shown)
            write_atomic(output / stamp.NAME, stamp.text(made_from, stamp.outputs(watched), known))
    except OSError as error:
        raise UsageError(f"cannot write the board to {output_dir}: {error.strerror}") from None
    problems = tuple(Problem(*problem) for problem in known.pop("problems"))
    return Summary(**known, problems=problems, written=written)


def _found(board: Board) -> dict[str, Any]:
    return {
        "records": len(board.files),
        "tables": len(board.tables),
        "failures": len(board.failures),
        "problems": [list(problem) for problem in board.problems],
    }


def _files(board: Board, records: Path, output: Path, linked: bool) -> tuple[str, str, str, str, str]:
    """Return the content of each of `FILES`."""
    from harness.board.page import html, picture  # they load a plotting engine, which reading a board does not need

    # relative, so that records and page can be moved together
    address = Path(os.path.relpath(records, output)).as_posix()
    tables = csv_text(board), standing.csv_text(board.standing)
    return *tables, markdown(board), html.html(board, address, REPRODUCTIONS if linked else ""), picture.pareto(board)
