"""What a run is measured by: a GPU's slow-downs, sampled in a thread and kept in record and checkpoint."""

import time

import pynvml
import pytest
import torch
from runs import at_step, record, small, train

from harness.machine.meter import Meter
from harness.machine.throttling import CAPPED, ClockWatch
from harness.training import report, sealed

HOT = pynvml.nvmlClocksEventReasonSwThermalSlowdown
BRAKED = pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown | pynvml.nvmlClocksEventReasonHwSlowdown
IDLE = pynvml.nvmlClocksEventReasonGpuIdle
SET = pynvml.nvmlClocksEventReasonApplicationsClocksSetting
KEY = "0" * 16
BOOST = pynvml.nvmlClocksEventReasonSyncBoost


def watched(answers):
    """Return a watch that has had these answers, in a thread as always."""
    left = list(answers)
    watch = ClockWatch(lambda: left.pop(0) if left else None, every=0.001)
    watch.start()
    deadline = time.monotonic() + 10
    while left and time.monotonic() < deadline:
        time.sleep(0.001)
    watch.stop()
    assert not left
    return watch


@pytest.mark.parametrize(
    ("answers", "throttled", "capped"),
    [
        ([0, 0, 0, 0], 0, 0),
        ([0, HOT, 0, BRAKED], 0.5, 0),
        ([HOT | BRAKED | CAPPED], 1, 1),
        ([CAPPED, CAPPED, CAPPED, 0], 0, 0.75),
        ([IDLE, SET, BOOST, IDLE | SET], 0, 0),
        ([None, HOT, None, 0], 0.5, 0),
        ([None, None], None, None),
        ([], None, None),
    ],
)
def test_heat_and_lack_of_power_slow_a_gpu_down_and_its_own_limit_is_counted_apart(answers, throttled, capped):
    watch = watched(answers)
    assert (watch.throttled, watch.power_capped) == (throttled, capped)


def test_a_run_shorter_than_the_interval_is_sampled_once_and_its_end_does_not_wait():
    watch = ClockWatch(lambda: HOT, every=3600)
    started = time.monotonic()
    watch.start()
    watch.stop()
    assert time.monotonic() - started < 5
    assert (watch.samples, watch.throttled) == (1, 1)


def test_counts_go_on_from_a_checkpoint():
    watch = ClockWatch(lambda: 0, every=3600)
    watch.load_state_dict(watched([HOT, HOT, CAPPED]).state_dict())
    watch.start()
    watch.stop()
    assert (watch.throttled, watch.power_capped) == (0.5, 0.25)


def test_on_a_cpu_there_is_memory_and_nothing_else():
    with Meter("cpu") as meter:
        pass
    assert meter.peak_memory_bytes > 1 << 20
    assert (meter.energy_joules, meter.clocks.throttled, meter.clocks.power_capped) == (None, None, None)


def test_a_record_of_a_cpu_knows_of_no_throttling(tmp_path):
    cost = record(small("static"), tmp_path)["cost"]
    assert (cost["throttled"], cost["power_capped"]) == (None, None)


def test_a_run_that_goes_on_keeps_the_samples_of_its_first_part(tmp_path):
    """Otherwise one that was throttled before it was interrupted would pass for undisturbed."""
    run = small("static")
    first = {"samples": 8, "slowed": 2, "capped": 4}
    half = train(run, at_step(20)).state_dict()
    sealed.write({"key": KEY, "elapsed": 1.0, "clocks": first, "trainer": half}, tmp_path / "checkpoint.pt")
    made = record(run, tmp_path, KEY, successor="1" * 16)
    assert (made["status"], made["provenance"]["resumed"]) == ("done", True)
    assert (made["cost"]["throttled"], made["cost"]["power_capped"]) == (0.25, 0.5)
    assert sealed.read(tmp_path / "successor.pt")["clocks"] == first


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_gpu_tells_its_energy_and_its_clocks():
    with Meter("cuda") as meter:
        busy = torch.rand(4096, 4096, device="cuda")
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            busy = (busy @ busy).clamp(0, 1)
            torch.cuda.synchronize()
    assert meter.peak_memory_bytes >= busy.nbytes
    assert meter.energy_joules > 0
    assert meter.clocks.samples >= 2
    assert 0 <= meter.clocks.throttled <= 1


def test_a_thread_that_does_not_compute_has_little_of_a_core():
    with Meter("cpu") as meter:
        time.sleep(0.05)
    assert meter.cpu_share < 0.5


@pytest.mark.parametrize(("whole", "told"), [(1.01, True), (0.0, False)])
def test_a_run_that_had_too_little_of_a_core_says_how_much(tmp_path, monkeypatch, whole, told):
    monkeypatch.setattr(report, "WHOLE", whole)
    cost = record(small("static"), tmp_path)["cost"]
    assert ("core" in cost) is told
    assert 0 < cost.get("core", 1) <= 1
