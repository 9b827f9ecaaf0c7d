"""The board, a pure function of records: CSV, Markdown, a page and a picture."""

from harness.board.board import Board
from harness.board.build import Summary, make
from harness.board.documents import results_table, update
from harness.board.markdown import markdown
from harness.board.sheet import csv_text

__all__ = ["Board", "Summary", "csv_text", "make", "markdown", "results_table", "update"]
