"""What a GPU has to get right to the bit; on a CPU the same checks run as far as they can fail there.

Masks do not depend on device or memory layout. Two runs are equal, also where one has its steps recorded as a CUDA
graph, or was resumed. The referee finds what the run has found.
"""

import io

import pytest
import torch
from runs import at_step, go_on, record, same, small, train, trainer
from torch import nn

from harness.audit import referee
from harness.budget.parts import parts
from harness.machine.precision import placed
from harness.tasks import models
from harness.training import graph
from harness.training.network import FINAL
from harness.training.worker import settle_process
from methods import Masks, Moment, build
from methods.parts import select_device, select_host

CUDA = pytest.param(
    "cuda",
    marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")],
)
on_each = pytest.mark.parametrize("device", ["cpu", CUDA])
on_cuda = pytest.mark.parametrize("device", [CUDA])  # of a CPU, `test_graph` and others show the same


def run_on(device, method):
    run = small(method, "steps:40", evaluations=1, recipe={"augment": "crop"})
    run.device, run.graph = device, True
    settle_process(run)
    return run


@on_each
@pytest.mark.parametrize("seed", range(8))
def test_a_device_selects_as_the_host_does(device, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = [torch.randn(int(n), generator=generator) for n in torch.randint(1, 60_000, (5,), generator=generator)]
    for part in scores:
        part[torch.rand(part.shape, generator=generator) < 0.3] = 0
        if seed % 2:
            part[torch.rand(part.shape, generator=generator) < 0.01] = float("inf" if seed % 4 == 1 else "nan")
    among = [torch.rand(part.shape, generator=generator) < 0.5 for part in scores]
    counts = [int(part.sum()) * share // 4 for share, part in enumerate(among)]
    found = select_device.mark_each([s.to(device) for s in scores], counts, [a.to(device) for a in among])
    for part, candidates, count, marked in zip(scores, among, counts, found, strict=True):
        (wanted,) = select_host.mark([(part.numpy(), candidates.numpy())], count)
        assert torch.equal(marked.cpu(), torch.from_numpy(wanted))


def masks_after_events(method, device, layout):
    """Return the masks of ResNet-20 after three events on weights, gradients and momentum drawn on the CPU."""
    model = models.build("resnet20", 10, (3, 32, 32), 0, width=0.5)
    model = placed(model, torch.device(device)).to(memory_format=layout)
    layers = [(part.name, part.weight) for part in parts(model) if isinstance(part.weight, nn.Parameter)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    masks = Masks(layers, torch.Generator().manual_seed(1))
    masks.attach(optimizer)
    masks.initialise([size // 2 for size in masks.sizes])
    generator = torch.Generator().manual_seed(2)
    for _, weight in layers:
        gradient = torch.randn(weight.shape, generator=generator)
        gradient[torch.rand(weight.shape, generator=generator) < 0.3] = 0
        weight.grad = torch.empty_like(weight).copy_(gradient)
        optimizer.state[weight]["momentum_buffer"] = torch.empty_like(weight).copy_(gradient)
    masks.reapply()
    decides = build({"name": method, "interval": 10})
    for step in (300, 310, 330):
        masks.hold_gradients()
        decides.update(masks, Moment(step, step / 1000, (step - 1) / 1000, 1000), 0.1)
        masks.release_gradients()
    assert masks.outside() == 0
    assert masks.counted() == masks.active
    return [mask.cpu().contiguous() for _, mask in masks.tensors()]


@on_each
@pytest.mark.parametrize("method", ["gmp", "granet", "mest", "rigl", "set", "srigl"])
def test_masks_depend_neither_on_the_device_nor_on_the_layout_of_memory(device, method):
    plain = masks_after_events(method, "cpu", torch.contiguous_format)
    for layout in (torch.contiguous_format, torch.channels_last):
        assert all(map(torch.equal, plain, masks_after_events(method, device, layout)))


@on_cuda
@pytest.mark.parametrize("method", ["granet", "rigl", "snfs", "top_kast", "lth_rewind"])
def test_a_run_gives_the_same_bits_again_recorded_or_not(device, method, monkeypatch):
    recorded = train(run_on(device, method))
    assert recorded.final_violations() == []
    assert same(recorded, train(run_on(device, method)))
    monkeypatch.setattr(graph, "WARM_UP", 10**9)  # the steps are called, with the same tensors
    assert same(recorded, train(run_on(device, method)))


@on_cuda
@pytest.mark.parametrize("method", ["granet", "lth_rewind"])
def test_a_run_that_is_resumed_gives_the_same_bits(device, method):
    whole, part = train(run_on(device, method)), train(run_on(device, method), at_step(17))
    saved = io.BytesIO()
    torch.save(part.state_dict(), saved)
    saved.seek(0)
    again = trainer(run_on(device, method))
    again.load_state_dict(torch.load(saved, map_location="cpu", weights_only=True))
    go_on(again)
    assert same(whole, again)


@on_each
def test_the_referee_finds_what_the_run_has_found(device, tmp_path):
    made = record(run_on(device, "rigl"), tmp_path)
    assert made["status"] == "done", made["reason"]
    found = referee.judge(made["config"], tmp_path / FINAL)
    for name in ("test_accuracy", "test_top5", "test_loss", "test_right"):
        assert found[name] == made["metrics"][name]
    assert sum(found["active"]) == made["metrics"]["active"]
    assert not any(found["outside"])
