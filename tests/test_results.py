"""The results that are committed: every record holds up, and board and README are what the records give."""

from pathlib import Path

import pytest

from harness import board, record
from harness.checker import check

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
RECORDS, PROBLEMS = record.load_files(RESULTS / "records")


def test_there_are_records_and_all_can_be_read():
    assert RECORDS
    assert not PROBLEMS


@pytest.mark.parametrize("name", RECORDS)
def test_a_committed_record_passes_the_checker(name):
    assert check.check(RESULTS / "records" / name, RECORDS) == []


def test_the_committed_board_is_what_the_records_give_byte_for_byte(tmp_path):
    (tmp_path / "records").symlink_to(RESULTS / "records")
    (tmp_path / "reference").symlink_to(RESULTS / "reference")
    summary = board.make(tmp_path / "records", tmp_path)
    for path in summary.written:
        assert path.read_bytes() == (RESULTS / path.name).read_bytes(), f"{path.name} is stale: make leaderboard"


def test_the_readme_holds_the_generated_table():
    assert board.readme_table(RECORDS.values()).strip() in (ROOT / "README.md").read_text()
