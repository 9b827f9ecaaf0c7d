"""One run per GPU: the lock, tried between real processes; no GPU is needed for it."""

import subprocess
import sys
import time

import pytest

from harness import gpus
from harness.errors import UsageError
from harness.gpus import Gpu

TWO = [Gpu("GPU-1", "H100", "580"), Gpu("GPU-2", "H100", "580")]

HOLD = """
import sys, time
from pathlib import Path
from harness.gpus import Gpu, reserve
with reserve([Gpu("GPU-1", "", "")], lambda: None, Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds GPU-1."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_gpu_that_another_run_holds_is_passed_over(holder, tmp_path):
    with gpus.reserve(TWO, pytest.fail, tmp_path) as gpu:
        assert gpu.uuid == "GPU-2"


def test_a_run_waits_until_the_holder_is_gone_however_it_went(holder, tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "POLL_SECONDS", 0.05)
    waits = []

    def wait_then_kill():
        waits.append(1)
        holder.kill()

    started = time.monotonic()
    with gpus.reserve(TWO[:1], wait_then_kill, tmp_path) as gpu:
        assert gpu.uuid == "GPU-1"
    assert waits
    assert time.monotonic() - started < 10


def test_two_runs_of_one_process_get_a_gpu_each(tmp_path):
    with gpus.reserve(TWO, pytest.fail, tmp_path) as first, gpus.reserve(TWO, pytest.fail, tmp_path) as second:
        assert {first.uuid, second.uuid} == {"GPU-1", "GPU-2"}


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "sparsebench-GPU-1.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match=r"sparsebench-GPU-1\.lock"), gpus.reserve(TWO[:1], pytest.fail, tmp_path):
        pass
    assert not (tmp_path / "precious").exists()


def test_cuda_without_a_gpu_is_refused_and_never_falls_back():
    with pytest.raises(UsageError, match="no NVIDIA GPU or driver here: device=cpu uses the CPU"):
        gpus.candidates(None, [])


def test_a_gpu_that_is_not_here_is_named_with_those_that_are():
    with pytest.raises(UsageError, match=r"runner\.gpu 'GPU-9' is not here: allowed are GPU-1, GPU-2"):
        gpus.candidates("GPU-9", TWO)
    assert gpus.candidates("GPU-2", TWO) == TWO[1:]
    assert gpus.candidates(None, TWO) == TWO
