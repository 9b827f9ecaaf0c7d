"""What runs on CUDA, traced without a GPU: tensors without contents on a device that is not there.

They have shapes, types and devices alone, so each operator is checked as CUDA would: tensors of two devices in one
operator are an error, and whatever copies between host and device is seen. Only autograd, the fused optimisers and the
graph itself need the device: those are stood in for, and tested where there is one (`test_graph.py`).
"""

from contextlib import ExitStack

import pytest
import torch
from emulated import Device
from runs import PER_EPOCH, at_step, go_on, small
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from harness.budget.parts import select
from harness.tasks.inputs import load_data
from harness.training import trainer as training
from harness.training.graph import RecordedStep
from harness.training.prepare import prepare
from harness.training.trainer import Trainer
from methods.parts import masks

pytestmark = pytest.mark.filterwarnings("ignore:.*Disabling autocast")  # where there is no GPU

aten = torch.ops.aten


class Trace(TorchDispatchMode):
    """Notes what crosses between host and device or is read back, and stands in for fused optimisers."""

    READ = (aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal)
    COPY = (aten._to_copy, aten.copy_)

    def __init__(self):
        super().__init__()
        self.crossed, self.fused_steps = [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [tensor for tensor in torch.utils._pytree.tree_leaves((args, kwargs)) if torch.is_tensor(tensor)]
        devices = {tensor.device.type for tensor in tensors}
        if func.overloadpacket in (aten._fused_sgd_, aten._fused_adamw_):
            assert devices == {"cuda"}
            self.fused_steps += 1
            return None
        result = func(*args, **kwargs)
        if func.overloadpacket in self.READ and "cuda" in devices:
            self.crossed.append(f"{func} read back")
        if func.overloadpacket in self.COPY and devices | {result.device.type} == {"cpu", "cuda"}:
            waiting = "" if kwargs.get("non_blocking") else " while the host waits"
            self.crossed.append(f"to {result.device.type}{waiting}")
        return result


class Traced:
    """A trainer on CUDA and what its steps do there."""

    def __init__(self, method, stack, **recipe):
        run = small(method, "steps:100", evaluations=1, recipe={"augment": "crop", **recipe})
        run.graph = True
        task, splits = prepare(run), load_data(run)
        run.device = "cuda"
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        _move(task.model)
        task.layers[:] = select(task.model, [name for name, _ in task.layers])
        for holder, names in ((splits.train, ("_inputs", "_targets")), (splits.train._normalise, ("_scale", "_shift"))):
            for name in names:
                setattr(holder, name, _empty(getattr(holder, name)))
        self.trainer = Trainer(run, task, splits)
        self._trace = stack.enter_context(Trace())

    def until(self, step):
        """Go on to a step; return what was noted meanwhile."""
        self._trace.crossed, self._trace.fused_steps = [], 0
        go_on(self.trainer, at_step(step))
        return self._trace


@pytest.fixture
def traced(monkeypatch):
    """Return a call that makes a `Traced`."""
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)  # which is the driver's work
    monkeypatch.setattr(torch.cuda, "Event", Device().event)
    monkeypatch.setattr(RecordedStep, "_record", lambda step, inputs: lambda: step._step(*inputs))
    made = []

    def gradients(loss):
        assert loss.device.type == "cuda"
        for parameter in made[0].trainer.model.parameters():
            parameter.grad = torch.empty_like(parameter)

    monkeypatch.setattr(torch.Tensor, "backward", gradients)

    def make(method, **recipe):
        made.append(Traced(method, stack, **recipe))
        return made[0]

    with ExitStack() as stack:
        yield make


def _empty(tensor):
    return torch.empty_like(tensor, device="cuda")


def _move(model):
    """Put a model on CUDA; `Module.to` cannot with tensors that have no contents."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(_empty(parameter).to(memory_format=_layout(parameter)))
        for name, buffer in module._buffers.items():
            module._buffers[name] = _empty(buffer)
    model.to = lambda *args, **kwargs: model


def _layout(tensor):
    return torch.channels_last if tensor.ndim == 4 else torch.contiguous_format


def test_what_crosses_is_noticed_and_two_devices_in_one_operator_are_refused():
    with FakeTensorMode(), Trace() as trace:
        there, here = torch.empty(3, device="cuda"), torch.empty(3)
        there.copy_(here)
        there.cpu()
        there.add_(1).mul_(there)
        assert trace.crossed == ["to cuda while the host waits", "to cpu while the host waits"]
        with pytest.raises(RuntimeError, match="two different devices"):
            there.add_(here)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("method", ["dense", "static"])
def test_nothing_crosses_in_the_ordinary_steps_of_an_epoch(traced, method, optimizer):
    made = traced(method, optimizer=optimizer)
    made.until(PER_EPOCH)
    # The order and the draws of an epoch are copied on its first step.
    assert made.until(PER_EPOCH + 1).crossed == ["to cuda"] * 2
    rest = made.until(2 * PER_EPOCH)
    assert rest.crossed == []
    assert rest.fused_steps == PER_EPOCH - 1


@pytest.mark.parametrize("method", ["set", "rigl", "gmp_uniform", "granet"])
def test_at_events_nothing_is_read_back_and_what_is_sent_does_not_wait(traced, method, monkeypatch):
    if method == "granet":
        # What global pruning reads back, once an event, no trace can know.
        monkeypatch.setattr(masks, "count_each", lambda kept: [part.numel() // 5 for part in kept])
    made = traced(method)
    assert set(made.until(60).crossed) == {"to cuda"}
    assert len(made.trainer.history.topology) > 2


@pytest.mark.parametrize("method", ["mest", "random_pruning", "snfs", "srigl", "str", "top_kast"])
def test_no_method_mixes_tensors_of_host_and_device(traced, method, monkeypatch):
    # What methods read back no trace can know; nor can autograd run on a device that is not there.
    monkeypatch.setattr(FakeTensor, "tolist", lambda tensor: [0] * len(tensor))
    monkeypatch.setattr(
        torch.autograd, "grad", lambda outputs, inputs, *_, **more: [torch.empty_like(each) for each in inputs]
    )
    made = traced(method)
    made.until(9)
    assert len(made.trainer.history.topology) > 1
