"""The recorded step trains as the plain one does, and on CUDA nothing between log lines waits for the device."""

import itertools
import warnings
from dataclasses import dataclass

import pytest
import torch
from runs import PER_EPOCH, at_step, go_on, same, small, train
from torch.utils._python_dispatch import TorchDispatchMode

from harness.training import trainer as training
from harness.training.graph import WARM_UP, RecordedStep
from methods import registry
from methods.families.drop_and_grow import DropAndGrow
from methods.parts import select

aten = torch.ops.aten
CROP = {"augment": "crop"}
EVENTFUL = ["granet", "rigl", "set", "gmp", "gmp_uniform"]

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


def both(name, **recipe):
    """Train twice, as it is and with the step recorded."""
    plain, recorded = small(name, recipe=recipe), small(name, recipe=recipe)
    recorded.graph = True
    return train(plain), train(recorded)


@pytest.mark.parametrize("name", ["granet", "granet_s0", "rigl", "set", "lth_rewind"])
def test_the_recorded_step_trains_bit_for_bit_as_the_plain_one(name):
    one, other = both(name)
    assert same(one, other)
    assert one.history.curve == other.history.curve
    assert one.history.topology == other.history.topology


def test_with_adamw_it_differs_only_by_a_learning_rate_of_32_bits():
    one, other = both("rigl", optimizer="adamw", lr=0.01)
    assert one.history.topology == other.history.topology
    assert one.history.curve[-1]["train_loss"] == pytest.approx(other.history.curve[-1]["train_loss"], rel=1e-4)


def test_a_step_is_recorded_anew_when_its_masks_become_sparse():
    run = small("granet_s0", interval=8)
    run.graph = True
    made = train(run, at_step(WARM_UP + 1))
    assert not made.masks.sparse_layers
    dense = made._step._recorded._replay
    go_on(made)
    assert made.masks.sparse_layers
    assert made._step._recorded._replay not in (None, dense)


def test_the_recorded_step_sees_each_batch_in_the_same_tensors():
    seen = []
    step = RecordedStep(lambda images, labels: seen.append((images.data_ptr(), images.sum().item(), labels.item())))
    for number in range(WARM_UP + 4):
        step(torch.full((2,), float(number)), torch.tensor(number), variant=None)
    assert [total for _, total, _ in seen] == [2.0 * number for number in range(WARM_UP + 4)]
    assert [label for *_, label in seen] == list(range(WARM_UP + 4))
    assert len({address for address, *_ in seen[WARM_UP:]}) == 1


class ReadBacks(TorchDispatchMode):
    """Notes each operator whose result, or its shape, the host must know: on a device it would wait there.

    Lists of CPU tensors are made without an operator and go unseen: `count_each` alone makes one at an event.
    """

    WAITING = (aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten._unique2)
    INDEXING = (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_)

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in self.WAITING:
            self.seen.append(str(func))
        if func.overloadpacket in self.INDEXING:
            self.seen += [f"{func} by a mask" for index in args[1] if index is not None and index.dtype is torch.bool]
        return func(*args, **(kwargs or {}))


def test_what_reads_back_is_noticed():
    ones = torch.ones(3)
    with ReadBacks() as found:
        _ = ones[ones > 0], ones.nonzero(), float(ones.sum()), bool(ones[0] > 0)
        ones[ones > 2] = 0
    assert len(found.seen) == 5


@pytest.mark.parametrize("graph", [False, True], ids=["plain", "recorded"])
@pytest.mark.parametrize(("method", "optimizer"), [("dense", "sgd"), ("static", "sgd"), ("static", "adamw")])
def test_ordinary_steps_read_nothing_back(method, optimizer, graph, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    run = small(method, "steps:200", evaluations=1, recipe={**CROP, "optimizer": optimizer})
    run.graph = graph
    made = train(run, at_step(7))
    with ReadBacks() as found:
        go_on(made, at_step(7 + 2 * PER_EPOCH))
    assert found.seen == []


@pytest.mark.parametrize("method", EVENTFUL)
def test_events_read_nothing_back_but_the_counts_of_global_pruning(method, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    monkeypatch.setattr(select, "_on_host", lambda tensors: False)  # take the way of devices
    made = train(small(method, "steps:200", evaluations=1), at_step(7))
    events = len(made.history.topology)
    with ReadBacks() as found:
        go_on(made, at_step(70))
    assert len(made.history.topology) > events
    assert found.seen == []


@dataclass
class ReadsInEachStep(DropAndGrow):
    """Draws active weights towards 0, and reads masks and gradients for it in every step."""

    interval: int = 4
    growth: str = "random"

    def each_step(self, masks):
        for layer in range(len(masks)):
            pull = 0.01 * masks.weight(layer).sign() * masks.alive(layer) + 0.1 * masks.gradient(layer)
            masks.add_to_gradient(layer, pull)


@pytest.fixture
def reads_in_each_step(monkeypatch):
    monkeypatch.setitem(registry.METHODS, "reads", ReadsInEachStep(name="reads"))


def test_masks_that_steps_read_keep_their_storage(reads_in_each_step):
    made = train(small("reads"), at_step(2))
    before = [mask.data_ptr() for mask in made.masks._alive]
    kept = [mask.clone() for mask in made.masks._alive]
    go_on(made, at_step(30))
    assert [mask.data_ptr() for mask in made.masks._alive] == before
    assert any(not torch.equal(a, b) for a, b in zip(kept, made.masks._alive, strict=True))


def test_a_step_is_recorded_anew_when_other_gradients_are_charged():
    made = train(small("snfs"), at_step(2))
    before = made.masks.variant
    made.masks.charge(None)
    assert made.masks.variant != before


def on_cuda(method, **fields):
    run = small(method, "steps:400", evaluations=1, **fields)
    run.device = "cuda"
    return run


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("graph", [False, True], ids=["plain", "recorded"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_ordinary_steps_never_wait_for_the_device(optimizer, graph, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    run = on_cuda("static", recipe={**CROP, "optimizer": optimizer})
    run.graph = graph
    made = train(run, at_step(20))
    torch.cuda.set_sync_debug_mode("error")
    try:
        go_on(made, at_step(120))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert made.course.ledger.steps == 120


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("graph", [False, True], ids=["plain", "recorded"])
@pytest.mark.parametrize("method", EVENTFUL)
def test_an_event_waits_for_the_device_once_at_most(method, graph, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    run = on_cuda(method)
    run.graph = graph
    made = train(run, at_step(19))
    before = []  # of each iteration: waits and events so far
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")

            def look(made):
                waits = [warning for warning in caught if "synchroniz" in str(warning.message)]
                before.append((len(waits), len(made.history.topology)))
                return made.course.ledger.steps == 139  # gmp_uniform prunes from 125 on

            go_on(made, look)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert before[-1][1] > before[0][1]
    for (waits, events), (waits_after, events_after) in itertools.pairwise(before):
        assert waits_after - waits <= events_after - events


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("method", ["granet", "rigl", "lth_rewind", "reads"])
@pytest.mark.usefixtures("reads_in_each_step")
def test_a_graph_trains_as_the_plain_path_does(method):
    plain, graph = on_cuda(method), on_cuda(method)
    graph.graph = True
    one, other = train(plain), train(graph)
    assert [entry["step"] for entry in one.history.topology] == [entry["step"] for entry in other.history.topology]
    assert one.masks.active == other.masks.active
    assert one.history.curve[-1]["train_loss"] == pytest.approx(other.history.curve[-1]["train_loss"], rel=0.05)
    assert other.final_violations() == []
