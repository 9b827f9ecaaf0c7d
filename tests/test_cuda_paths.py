"""What runs on CUDA alone, as far as a machine without a GPU can tell: layout, precision, memory, failed recordings."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from emulated import Device
from natural import inputs_of
from runs import small, train
from torch._subclasses.fake_tensor import FakeTensorMode

from harness import config
from harness.audit import referee
from harness.budget.inputs import Inputs
from harness.machine.oom import ran_out_of_memory
from harness.machine.precision import placed
from harness.tasks import models
from harness.training import step
from harness.training.graph import RecordedStep


class Moved(torch.nn.Module):
    """Notes where it is moved."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def to(self, *args, **more):
        self.asked.append((args, more))
        return self


def test_models_have_channels_last_on_cuda_alone():
    here, there = Moved(), Moved()
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert placed(here, cpu) is here
    assert placed(there, cuda) is there
    assert here.asked == [((cpu,), {})]
    assert there.asked == [((cuda,), {}), ((), {"memory_format": torch.channels_last})]


def test_the_referee_computes_as_the_run_did(monkeypatch):
    asked = []

    def evaluate(*args, **more):
        raise InterruptedError

    monkeypatch.setattr(referee, "placed", lambda model, device: asked.append(device) or model)
    monkeypatch.setattr(referee, "require_deterministic", lambda: asked.append("deterministic"))
    monkeypatch.setattr(referee, "load_data", lambda run: SimpleNamespace(test=None))
    monkeypatch.setattr(referee, "evaluate", evaluate)
    run = small("static")
    for device in ("cpu", "cuda"):
        run.device = device
        with pytest.raises(InterruptedError):
            referee._score(run, torch.nn.Linear(1, 1), config.to_dict(run))
    assert asked == [torch.device("cpu"), "deterministic", torch.device("cuda")]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_ended_is_recognised(error):
    assert ran_out_of_memory(error)


def test_other_errors_are_not_taken_for_it():
    assert not ran_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    assert not ran_out_of_memory(ValueError("memory"))


@pytest.fixture
def capturing(monkeypatch):
    """Have recordings begin, and end as those do that were broken: with an error of their own."""

    @contextmanager
    def graph(recorded, **_):
        try:
            yield
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)


def recorded(error):
    """Record a step that raises an error, on a device that is not there."""

    def broken(images):
        raise error

    with FakeTensorMode():
        images = torch.empty(2, device="cuda")
    RecordedStep(broken, "a step of rigl")._record((images,))


@pytest.mark.usefixtures("capturing")
def test_a_step_that_cannot_be_recorded_says_why_and_what_to_do():
    with pytest.raises(RuntimeError, match=r"a step of rigl cannot be recorded \(graph=false .*\): it reads a count"):
        recorded(RuntimeError("it reads a count"))


@pytest.mark.usefixtures("capturing")
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), ValueError("the method's own")])
def test_what_is_no_fault_of_the_recording_is_raised_as_it_is(error):
    with pytest.raises(type(error), match=str(error)):
        recorded(error)


def test_pictures_are_held_until_the_device_has_read_them(monkeypatch):
    dali = pytest.importorskip("harness.tasks.data.files.dali", reason="needs DALI")
    device, alive = Device(), []
    monkeypatch.setattr(torch.cuda, "Event", device.event)

    class Picture:
        def __init__(self):
            device.launch(1)
            self.read_at = device.free
            alive.append(self)

        def __del__(self):
            assert device.host >= self.read_at

    with dali._InUse() as held:
        for _ in range(6):
            held.hold(Picture())
            alive.clear()
            assert device.ahead <= dali._AHEAD
    assert device.ahead == 0


@pytest.mark.usefixtures("reduced")
@pytest.mark.parametrize("method", ["granet", "grasp", "snip", "synflow", "str", "top_kast"])
def test_methods_train_in_the_precision_of_cuda(method):
    made = train(small(method, "steps:20", recipe={"augment": "crop"}))
    assert made.final_violations() == []
    assert all(parameter.dtype == torch.float32 for parameter in made.model.parameters())


@pytest.mark.usefixtures("reduced")
@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_every_network_computes_a_step_in_the_precision_of_cuda(name):
    inputs = Inputs((1, 8, 8)) if name in ("mlp", "convnet") else inputs_of(name)
    model = models.build(name, inputs.tokens or 10, inputs.shape, 0, width=0.25)
    given = inputs.noise(4)
    if given.dim() == 4:
        given = given.contiguous(memory_format=torch.channels_last)
    with step.precision(given.device):
        outputs = model(given).flatten(0, -2)
        loss = torch.nn.functional.cross_entropy(outputs, torch.arange(len(outputs)) % 10, label_smoothing=0.1)
    loss.backward()
    assert all(parameter.grad is None or parameter.grad.dtype == torch.float32 for parameter in model.parameters())
