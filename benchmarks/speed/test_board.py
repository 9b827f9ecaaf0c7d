"""(e) Wall-clock of the whole smoke suite, each run in a process of its own, against the time its runs train."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import TWELVE
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.usefixtures("whole_commands")
def test_smoke_board(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "harness.cli",
        "suite",
        "--suite",
        "smoke",
        TWELVE,
        "runner=local",
        f"output={tmp_path}",
    ]

    def board() -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - started

    seconds = benchmark.pedantic(board, rounds=1)
    records = [json.loads(path.read_text()) for path in (tmp_path / "records").glob("*.json")]
    training = sum(record["cost"]["seconds"]["train"] for record in records)
    benchmark.extra_info.update(
        name=f"smoke board, {len(records)} runs / the seconds that they train",
        ratio=seconds / training,
        value=seconds,
        baseline=training,
        unit="s",
        target=None,
    )
