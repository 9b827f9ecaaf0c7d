"""The results that are committed: every record holds up, and board and documents are what the records give.

Read from the commit rather than from the folder, where `make bench` may have put rows of its own since.
"""

import subprocess
from pathlib import Path

import pytest

from harness import board
from harness.audit.submission import check
from harness.board import documents
from harness.board.board import read
from harness.board.build import REPRODUCTIONS
from harness.records import load_files

ROOT = Path(__file__).parent.parent


def committed(path):
    return subprocess.run(["git", "-C", str(ROOT), "show", f"HEAD:{path}"], capture_output=True, check=True).stdout


def names():
    command = ["git", "-C", str(ROOT), "ls-tree", "-r", "--name-only", "HEAD", "results/records"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [Path(line).name for line in done.stdout.splitlines()]


NAMES = names()
pytestmark = pytest.mark.skipif(not NAMES, reason="no git checkout with committed records")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The committed records, in a folder of their own."""
    place = tmp_path_factory.mktemp("results") / "records"
    place.mkdir()
    for name in NAMES:
        (place / name).write_bytes(committed(f"results/records/{name}"))
    (place.parent / REPRODUCTIONS).write_bytes(committed(f"results/{REPRODUCTIONS}"))  # the board's page links to it
    return place


@pytest.fixture(scope="module")
def records(folder):
    found, problems = load_files(folder)
    assert not problems
    return found


def test_every_committed_record_passes_the_checker(folder, records):
    refused = check(folder / name for name in records)
    assert {path.name: why for path, why in refused.items() if why} == {}


def test_the_committed_board_is_what_the_records_give_byte_for_byte(folder):
    for path in board.make(folder, folder.parent).written:
        assert path.read_bytes() == committed(f"results/{path.name}"), f"{path.name} is stale: make leaderboard"


def test_the_documents_hold_the_generated_tables(folder):
    shown = documents.contents(read(folder))
    assert shown["standing"] in committed("README.md").decode()
    assert shown["results"] in committed("docs/results.md").decode()
