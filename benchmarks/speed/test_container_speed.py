"""What a container costs: its start, and the whole of a run in it against the same run local.

Targets: start-up at most 5 s, a run of a minute at most 1.10 times as long (checks of the outside included). Skipped,
with the reason, where there is no engine or no image. SPARSEBENCH_OVERHEAD_SECONDS changes the minute.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest
from measured import leave_limit

from harness.config import RunnerConfig
from harness.containers.box import Box
from harness.containers.output import Output
from harness.containers.supervise import supervise
from harness.errors import UsageError
from harness.places import ROOT

STARTUP_SECONDS = 5.0
OVERHEAD = 1.10
TASK = ["method=rigl", "dataset=digits", "device=cpu", "evaluations=5"]


pytestmark = pytest.mark.usefixtures("whole_commands")


@pytest.fixture
def runner(whole_commands):
    from harness.runners.docker import available

    try:
        return available()
    except UsageError as error:
        pytest.skip(str(error))


def test_a_container_starts_within_seconds(benchmark, runner, tmp_path):
    def start_and_end():
        box = Box(f"sparsebench-speed-{secrets.token_hex(4)}", runner.image.id, ["true"], "0" * 16, limits, {})
        with Output(lambda event: None, tmp_path / "log.txt") as output:
            return supervise(runner.client, box, output, None)

    limits = RunnerConfig(name="docker")
    ending = benchmark.pedantic(start_and_end, rounds=5, warmup_rounds=1)
    assert ending.status is None, ending.reason
    name = "start of a container"
    leave_limit(benchmark, name, STARTUP_SECONDS, benchmark.stats.stats.median)


def _seconds(where, epochs, folder: Path):
    """The whole command, from a cold start, as a person waits for it; and the record that it leaves."""
    command = [sys.executable, "-m", "harness.cli", "run", *TASK, f"budget=epochs:{epochs}"]
    started = time.perf_counter()
    subprocess.run([*command, f"runner={where}", f"output={folder / where}"], cwd=ROOT, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    (record,) = (folder / where / "records").glob("*.json")
    return seconds, json.loads(record.read_text())


def test_a_run_in_a_container_takes_little_longer_than_local(benchmark, runner, tmp_path):
    wanted = float(os.environ.get("SPARSEBENCH_OVERHEAD_SECONDS", "60"))
    _seconds("docker", 4, tmp_path / "calibration")  # so that the image is in the page cache
    _, short = _seconds("local", 4, tmp_path / "calibration")
    epochs = max(4, round(4 * wanted / short["cost"]["seconds"]["train"]))
    local, there = _seconds("local", epochs, tmp_path)
    inside, here = benchmark.pedantic(_seconds, args=("docker", epochs, tmp_path), rounds=1)
    assert here["metrics"] == there["metrics"]
    ratio = inside / local
    training = here["cost"]["seconds"]["train"] / there["cost"]["seconds"]["train"]
    benchmark.extra_info.update(
        name=f"run of {wanted:g} s in a container / the same run local",
        ratio=ratio,
        value=inside,
        baseline=local,
        unit="s",
        target=("at most", OVERHEAD),
        training_ratio=training,
    )
    print(f"local {local:.1f} s, container {inside:.1f} s: {ratio:.3f} times (training alone {training:.3f} times)")
