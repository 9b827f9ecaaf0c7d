"""Records from strangers: whatever the files hold, check and leaderboard end well and the good ones are on the board.

``FUZZ_RECORDS=10000 pytest tests/fuzz/test_fuzz_records.py`` tries as many as the project promises.
"""

import csv
import io
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest
import records
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import content

from harness.audit.submission import check
from harness.board import csv_text
from harness.board.board import read
from harness.records import RecordError, bits, record_name, reliability
from harness.records.record import text
from harness.records.store import parse
from harness.vocabulary import CORRUPTIONS

MANY = int(os.environ.get("FUZZ_RECORDS", "300"))


def with_more(record):
    """Return a record with what only some have: right images, tuning, reliability, looks."""
    images = record["config"]["dataset"]["test_examples"]
    right = np.arange(images) < round(record["metrics"]["test_accuracy"] * images)
    record["metrics"]["test_right"] = bits.pack(right)
    record["tuning"] = {"chosen": "default"}
    record["reliability"] = reliability.group(15, 0.1, 0.5, {name: [0.5, 0.4] for name in CORRUPTIONS})
    record["provenance"]["looks"] = {"margin": 0.5, "looks": [3, 5], "spending": [0.01, 0.04]}
    return record


GOOD = [
    records.resealed(record)
    for record in [
        *(records.make(method, 0.9, seed) for method in ("granet", "set", "static") for seed in range(3)),
        *(records.make("rigl", 0.9, seed, runner="docker", gpu=records.GPU) for seed in range(3)),
        *(with_more(records.make("rigl_itop", 0.9, seed)) for seed in range(3)),
        *(records.make("gmp", 0.9, seed, status=status) for seed, status in enumerate(("diverged", "timeout", "done"))),
    ]
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(GOOD), st.randoms(use_true_random=False))
def test_whatever_a_file_holds_is_a_record_or_refused_in_one_short_line(record, draw):
    try:
        parse(content(record, draw))
    except RecordError as error:
        line = str(error)
        assert line.isprintable()
        assert 0 < len(line) < 4_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder of good records among many bad ones."""
    place = tmp_path_factory.mktemp("fuzz")
    (place / "records").mkdir()
    for record in GOOD:
        (place / "records" / record_name(record)).write_text(text(record))
    draw = random.Random(0)
    for number in range(MANY):
        (place / "records" / f"changed{number:05}.json").write_bytes(content(draw.choice(GOOD), draw))
    return place


def sparsebench(*arguments):
    """Run a command; it has a minute for ten thousand records."""
    command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    before = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    print(f"{arguments[0]} of {MANY} changed records: {time.monotonic() - before:.1f} s")
    assert "Traceback" not in done.stdout + done.stderr
    assert all(line.isprintable() and len(line) < 4_000 for line in (done.stdout + done.stderr).splitlines())
    return done


def test_check_passes_the_good_ones_alone(folder):
    done = sparsebench("check", folder / "records")
    assert done.returncode == 1
    *lines, count = done.stdout.splitlines()
    verdicts = dict(line.rsplit(": ", 1) for line in lines if not line.startswith(" "))
    assert count == f"{len(verdicts)} checked: {len(GOOD)} pass, {len(verdicts) - len(GOOD)} refused"
    assert len(verdicts) == MANY + len(GOOD)
    passed = {name.rpartition("/")[2] for name, verdict in verdicts.items() if verdict == "passes"}
    assert passed == {record_name(record) for record in GOOD}


def test_processes_find_what_one_finds(folder):
    paths = sorted((folder / "records").iterdir())
    alone, shared = {}, {}
    assert check(paths, shared, workers=3) == check(paths, alone)
    assert shared == alone


def test_the_board_is_made_and_names_what_it_leaves_off(folder):
    done = sparsebench("leaderboard", f"output={folder}")
    assert done.returncode == 0
    rows = list(csv.DictReader(io.StringIO((folder / "leaderboard.csv").read_text())))
    assert {record["method"] for record in GOOD} <= {row["method"].partition(" [")[0] for row in rows}
    left_off = [line for line in done.stderr.splitlines() if "left off the board: changed" in line]
    readable = 0
    for path in (folder / "records").glob("changed*.json"):
        try:
            parse(path.read_bytes())
            readable += 1
        except RecordError:
            pass
    assert len(left_off) == MANY - readable


def test_files_that_are_not_records_change_nothing_on_the_board(folder, tmp_path):
    for record in GOOD:
        (tmp_path / record_name(record)).write_text(text(record))
    alone = csv_text(read(tmp_path))
    for path in (folder / "records").glob("changed*.json"):
        try:
            parse(path.read_bytes())
        except RecordError:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    among = read(tmp_path)
    assert among.problems
    assert csv_text(among) == alone
