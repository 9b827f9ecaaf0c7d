"""(b) What the bare loop owes to two of its tricks: why a loop without them is slower than the harness."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from measured import leave_pairs
from pytest_benchmark.fixture import BenchmarkFixture

from harness.places import ROOT

STEPS = 80
WITHOUT = {
    "images as [channels, height, width]": ("contiguous", "kept"),
    "freed memory given back": ("channels_last", "default"),
    "both": ("contiguous", "default"),
}


def _alone(layout: str, memory: str) -> dict[str, float]:
    """Time the loop in a process of its own; see `bare_loop`."""
    command = [sys.executable, str(Path(__file__).with_name("bare_loop.py")), layout, memory, str(STEPS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.parametrize("what", WITHOUT)
def test_bare_loop_without(benchmark: BenchmarkFixture, what: str) -> None:
    pairs: list[tuple[dict[str, float], dict[str, float]]] = []
    benchmark.pedantic(lambda: pairs.append((_alone(*WITHOUT[what]), _alone("channels_last", "kept"))), rounds=6)
    without, best = ([one["seconds"] for one in side] for side in zip(*pairs, strict=True))
    leave_pairs(benchmark, f"bare loop's step with {what} / bare loop's step, convnet", without, best)
    benchmark.extra_info["page_faults"] = [[one["page_faults"] for one in pair] for pair in pairs]
