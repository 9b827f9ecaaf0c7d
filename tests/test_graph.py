"""The recorded step trains as the plain one does, and on CUDA nothing between log lines waits for the device."""

import warnings

import pytest
import torch
from runs import at_step, go_on, small, train

from harness import train as training
from harness.graph import WARM_UP, RecordedStep

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


def everything(made):
    state = [v for values in made.optimizer.state.values() for v in values.values() if isinstance(v, torch.Tensor)]
    return [*made.model.state_dict().values(), *state, *(mask for _, mask in made.masks.tensors())]


def both(name, **recipe):
    """Train twice, as it is and with the step recorded."""
    plain, recorded = small(name, recipe=recipe), small(name, recipe=recipe)
    recorded.graph = True
    return train(plain), train(recorded)


@pytest.mark.parametrize("name", ["granet", "granet_s0", "rigl", "set", "lth_rewind"])
def test_the_recorded_step_trains_bit_for_bit_as_the_plain_one(name):
    one, other = both(name)
    assert all(torch.equal(a, b) for a, b in zip(everything(one), everything(other), strict=True))
    assert one.curve == other.curve
    assert one.topology == other.topology


def test_with_adamw_it_differs_only_by_a_learning_rate_of_32_bits():
    one, other = both("rigl", optimizer="adamw", lr=0.01)
    assert one.topology == other.topology
    assert one.curve[-1]["train_loss"] == pytest.approx(other.curve[-1]["train_loss"], rel=1e-4)


def test_a_step_is_recorded_anew_when_its_masks_become_sparse():
    run = small("granet_s0", interval=8)
    run.graph = True
    made = train(run, at_step(WARM_UP + 1))
    assert not made.masks.sparse
    dense = made._recorded._replay
    go_on(made)
    assert made.masks.sparse
    assert made._recorded._replay not in (None, dense)


def test_the_recorded_step_sees_each_batch_in_the_same_tensors():
    seen = []
    step = RecordedStep(lambda images, labels: seen.append((images.data_ptr(), images.sum().item(), labels.item())))
    for number in range(WARM_UP + 4):
        step(torch.full((2,), float(number)), torch.tensor(number), variant=None)
    assert [total for _, total, _ in seen] == [2.0 * number for number in range(WARM_UP + 4)]
    assert [label for *_, label in seen] == list(range(WARM_UP + 4))
    assert len({address for address, *_ in seen[WARM_UP:]}) == 1


def on_cuda(method, **fields):
    run = small(method, "steps:400", evaluations=1, **fields)
    run.device = "cuda"
    return run


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("graph", [False, True], ids=["plain", "recorded"])
def test_ordinary_steps_never_wait_for_the_device(graph, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    run = on_cuda("static")
    run.graph = graph
    made = train(run, at_step(20))
    torch.cuda.set_sync_debug_mode("error")
    try:
        made.train(lambda event: None, lambda: None, lambda: made.course.ledger.steps == 120)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert made.course.ledger.steps == 120


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("method", ["granet", "rigl", "set", "gmp", "gmp_uniform"])
def test_an_event_waits_for_the_device_once_at_most(method, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    made = train(on_cuda(method), at_step(19))
    events = len(made.topology)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made.train(lambda event: None, lambda: None, lambda: made.course.ledger.steps == 39)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [warning for warning in caught if "synchroniz" in str(warning.message)]
    assert len(waits) <= len(made.topology) - events


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("method", ["granet", "rigl", "lth_rewind"])
def test_a_graph_trains_as_the_plain_path_does(method):
    plain, graph = on_cuda(method), on_cuda(method)
    graph.graph = True
    one, other = train(plain), train(graph)
    assert [entry["step"] for entry in one.topology] == [entry["step"] for entry in other.topology]
    assert one.masks.active == other.masks.active
    assert one.curve[-1]["train_loss"] == pytest.approx(other.curve[-1]["train_loss"], rel=0.05)
    assert other.final_violations() == []
