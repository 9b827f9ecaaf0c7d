"""Every method takes the way of CUDA on a CPU: all that differs there but the device itself.

That is bfloat16, channels last, selection as on a device, steps from tape (`taped`) and seconds by the clock of an
emulated device (`emulated`).
"""

import io

import pytest
import taped
import torch
from emulated import Device
from runs import METHODS, at_step, go_on, record, small, trainer

from harness.training import step, stopwatch
from harness.training import trainer as training
from harness.training.graph import RecordedStep
from harness.training.stopwatch import DeviceStopwatch
from methods import registry
from methods.parts import select

STEPS = 16


@pytest.fixture
def rehearsed(monkeypatch, reduced):
    """Take the way of CUDA; return the device whose clock shows the time."""
    device = Device()

    def placed(model, _):
        return model.to(memory_format=torch.channels_last)

    def slow(step, *args):
        device.launch(0.01)
        taken(step, *args)

    taken = step.Step.__call__
    monkeypatch.setattr(training, "placed", placed)
    monkeypatch.setattr(select, "_on_host", lambda tensors: False)
    monkeypatch.setattr(RecordedStep, "_record", taped.record)
    monkeypatch.setattr(step.Step, "__call__", slow)
    monkeypatch.setattr(stopwatch, "of", lambda _, course: DeviceStopwatch(device.event, course.elapse))
    return device


@pytest.mark.parametrize("method", METHODS)
def test_a_run_as_on_cuda_is_done_and_keeps_its_promises(method, rehearsed, tmp_path):
    run = small(method, f"steps:{STEPS}", evaluations=1, recipe={"augment": "crop"})
    run.graph = registry.METHODS[method].recordable
    made = record(run, tmp_path)
    assert made["status"] == "done", made["reason"]
    assert made["cost"]["steps"] == STEPS
    assert made["cost"]["seconds"]["train"] == pytest.approx(STEPS * 0.01, rel=0.02)
    assert made["metrics"]["active"] == sum(made["topology"][-1]["active"]) > 0


@pytest.mark.usefixtures("rehearsed")
@pytest.mark.parametrize("method", ["granet", "lth_rewind", "srigl", "str", "top_kast"])
def test_a_run_as_on_cuda_resumes_to_the_bit(method):
    def made():
        run = small(
            method, f"steps:{STEPS}", evaluations=1, recipe={"augment": "crop", "optimizer": "adamw", "lr": 0.01}
        )
        run.graph = True
        return trainer(run)

    whole, part, again = made(), made(), made()
    go_on(whole)
    go_on(part, at_step(9))
    saved = io.BytesIO()
    torch.save(part.state_dict(), saved)
    saved.seek(0)
    again.load_state_dict(torch.load(saved, weights_only=True))
    go_on(again)
    assert again.history.state_dict() == whole.history.state_dict()
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.stride() == other.stride()
