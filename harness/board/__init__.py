"""The board, a pure function of records: CSV, Markdown, page, plot."""

from harness.board.board import Board, Summary, csv_text, make, markdown
from harness.board.readme import readme_table, update_readme

__all__ = ["Board", "Summary", "csv_text", "make", "markdown", "readme_table", "update_readme"]
