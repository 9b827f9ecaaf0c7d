"""One run per GPU: the lock, tried between real processes; no GPU is needed for it."""

import subprocess
import sys
import time
from contextlib import ExitStack

import pynvml
import pytest

from harness.errors import UsageError
from harness.machine import gpus
from harness.machine.gpus import Gpu

TWO = [Gpu("GPU-1", "H100", "580"), Gpu("GPU-2", "H100", "580")]

HOLD = """
import sys, time
from pathlib import Path
from harness.machine.gpus import Gpu, reserve
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


def test_runs_that_share_take_a_free_gpu_first_and_then_any(tmp_path):
    with ExitStack() as stack:
        held = [stack.enter_context(gpus.reserve(TWO, pytest.fail, tmp_path, shared=True)).uuid for _ in range(5)]
    assert set(held[:2]) == {"GPU-1", "GPU-2"}


@pytest.mark.parametrize("shared", [False, True])
def test_a_run_that_wants_a_gpu_to_itself_and_runs_that_share_one_wait_for_each_other(shared, tmp_path):
    with (
        gpus.reserve(TWO[:1], pytest.fail, tmp_path, shared=shared),
        pytest.raises(TimeoutError),
        gpus.reserve(TWO[:1], too_late, tmp_path, shared=not shared),
    ):
        pass


def too_late():
    raise TimeoutError


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (None, ["GPU-1", "GPU-2"]),
        ("1", ["GPU-2"]),
        (" 1, 0", ["GPU-2", "GPU-1"]),
        ("GPU-2", ["GPU-2"]),
        ("1,7,0", ["GPU-2"]),  # as CUDA does: what follows a bad entry is not read
        ("GPU-", []),  # of two
        ("MIG-a,MIG-b", ["MIG-a", "MIG-b"]),
        ("-1", []),
        ("", []),
    ],
)
def test_a_gpu_that_is_hidden_from_this_process_is_not_taken(value, seen, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert [gpu.uuid for gpu in gpus.visible(TWO)] == seen


def test_a_run_on_the_cpu_holds_no_gpu_and_may_ask_for_none():
    with gpus.hold("cpu", None, pytest.fail) as gpu:
        assert gpu is None
    with (
        pytest.raises(UsageError, match=r"runner\.gpu 'GPU-1' and device=cpu contradict"),
        gpus.hold("cpu", "GPU-1", pytest.fail),
    ):
        pass


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


def test_gpus_that_a_cluster_keeps_for_other_jobs_are_left_out(monkeypatch):
    def handle(index):
        if index == 0:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)
        return index

    nvml = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "580",
        "nvmlDeviceGetCount": lambda: 3,
        "nvmlDeviceGetHandleByIndex": handle,
        "nvmlDeviceGetUUID": "GPU-{}".format,
        "nvmlDeviceGetName": lambda handle: "H100",
    }
    for name, call in nvml.items():
        monkeypatch.setattr(pynvml, name, call)
    assert gpus.installed() == TWO
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")  # counts those that CUDA sees
    assert gpus.visible(gpus.installed()) == TWO[1:]
