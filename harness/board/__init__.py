"""The board, a pure function of records: CSV, Markdown, a page and a picture."""

from harness.board.board import Board
from harness.board.build import Summary, make
from harness.board.markdown import markdown
from harness.board.documents import readme_table, update_readme
from harness.board.sheet import csv_text

__all__ = ["Board", "Summary", "csv_text", "make", "markdown", "readme_table", "update_readme"]
