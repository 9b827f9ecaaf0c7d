"""On a device that works through a queue, seconds are booked where it spends them, and a budget of seconds is kept.

Most of this runs on an emulated device of virtual time (`emulated`), the rest on a GPU where there is one. The figures
of the host's clock are those by which a GPU's laps used to be booked.
"""

import io
from collections import Counter

import pytest
import torch
from emulated import DEPTH, LAUNCH, Device
from hypothesis import given
from hypothesis import strategies as st
from runs import at_step, go_on, record, small, trainer

from harness.errors import UsageError
from harness.training import stopwatch
from harness.training import trainer as training
from harness.training.prepare import prepare
from harness.training.stopwatch import AHEAD, MARGIN, DeviceStopwatch, Stopwatch
from harness.training.topology import Topology
from harness.training.trainer import DivergedError
from methods.parts import masks

STEP, EVENT, EVALUATION = 0.010, 0.010, 0.050  # seconds that the device takes
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


class Slow:
    """A step that takes the device some time; in virtual time, only those before an event are computed."""

    def __init__(self, step, device):
        self._step, self._device = step, device

    def __call__(self, pick, rate, event):
        self._device.launch(self._device.step)
        if event is not None:
            self._step(pick, rate, event)

    def mean_loss(self):
        self._device.wait()
        return self._step.mean_loss()

    def __getattr__(self, name):
        return getattr(self._step, name)


@pytest.fixture
def device(monkeypatch):
    """Return an emulated device, whose time all clocks of the harness show; ``device.step`` is what a step takes."""
    device = Device()
    device.step = STEP
    for module in (stopwatch, training):
        monkeypatch.setattr(module, "time", device.time())
    count, evaluate = masks.count_each, training.evaluate

    def counted(kept):
        device.wait()
        return count(kept)

    def evaluated(*args, **more):
        device.launch(EVALUATION)
        device.wait()
        return evaluate(*args, **more)

    monkeypatch.setattr(masks, "count_each", counted)
    monkeypatch.setattr(training, "evaluate", evaluated)
    return device


def emulated(run, device, *, by_host=False):
    """Return a trainer whose steps, events and evaluations take the device's time."""
    made = trainer(run)
    made._step = Slow(made._step, device)
    update = made._topology.update

    def updated(iteration):
        device.launch(EVENT)
        update(iteration)

    made._topology.update = updated
    course = made.course
    left = (lambda: course.clock.left) if course.clock.kind.timed else None
    made.watch = Stopwatch(course.elapse) if by_host else DeviceStopwatch(device.event, course.elapse, left)
    return made


@pytest.mark.parametrize(("method", "events"), [("granet", 4), ("rigl", 3)])
def test_topology_is_booked_as_long_as_it_took(method, events, device):
    made = emulated(small(method, "steps:1000", interval=200), device)
    go_on(made)
    assert len(made.history.topology) - 1 == events
    assert made.watch.seconds["topology"] == pytest.approx(events * EVENT, rel=1e-6)
    assert made.watch.seconds["train"] == pytest.approx(1000 * STEP, rel=0.01)
    assert made.watch.seconds["eval"] == pytest.approx(2 * (EVALUATION + LAUNCH), rel=1e-6)
    assert sum(made.watch.seconds.values()) == pytest.approx(device.host, abs=2 * LAUNCH)


def test_by_the_clock_of_the_host_events_would_be_booked_for_the_steps_queued_before_them(device, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    made = emulated(small("granet", "steps:1000", interval=200), device, by_host=True)
    go_on(made)
    # Two of the four events prune, which reads a count; each waits for a full queue.
    assert made.watch.seconds["topology"] == pytest.approx(2 * DEPTH * STEP + 2 * EVENT, abs=2 * STEP)
    assert sum(made.watch.seconds.values()) == pytest.approx(device.host, abs=2 * LAUNCH)


def test_a_budget_of_seconds_is_kept_to_a_step(device):
    made = emulated(small("static", "seconds:3", evaluations=1), device)
    go_on(made)
    assert 3 <= made.course.clock.spent < 3 + STEP + LAUNCH
    assert made.course.ledger.steps == pytest.approx(3 / STEP, abs=2)
    assert made.course.clock.spent == pytest.approx(made.watch.seconds["train"] + made.watch.seconds["topology"])


@pytest.mark.parametrize("evaluations", [7, 20, 30, 40, 97])
def test_a_budget_of_seconds_is_kept_to_a_step_after_an_evaluation(evaluations, device):
    """What is left of a lap before an evaluation tells nothing of how long a step takes."""
    made = emulated(small("static", "seconds:3", evaluations=evaluations), device)
    go_on(made)
    assert 3 <= made.course.clock.spent < 3 + STEP + 3 * LAUNCH


def test_by_the_clock_of_the_host_it_would_be_overspent_by_a_queue(device, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    made = emulated(small("static", "seconds:3", evaluations=1), device, by_host=True)
    go_on(made)
    assert made.course.clock.spent == pytest.approx(3 + DEPTH * STEP, abs=3 * STEP)


@pytest.mark.parametrize("method", ["granet", "rigl", "lth_rewind"])
def test_events_and_rounds_keep_a_budget_of_seconds_to_an_iteration(method, device):
    made = emulated(small(method, "seconds:2"), device)
    go_on(made)
    assert 2 <= made.course.clock.spent < 2 + STEP + EVENT + 3 * LAUNCH
    assert made.final_violations() == []
    assert made.history.curve[-1]["progress"] == 1


@pytest.mark.parametrize("factor", [MARGIN * 0.99, 20])
def test_steps_that_become_slow_overspend_by_the_queue_at_most(factor, device):
    made = emulated(small("static", "seconds:3", evaluations=1), device)
    go_on(made, lambda made: made.course.clock.spent > 2)
    device.step = factor * STEP
    go_on(made)
    queued = 1 if factor < MARGIN else AHEAD + 1
    assert 3 <= made.course.clock.spent < 3 + queued * (device.step + LAUNCH)


def test_under_a_budget_of_seconds_the_queue_is_short_and_the_device_is_never_idle(device):
    ahead = []
    made = emulated(small("static", "seconds:3", evaluations=1), device)
    go_on(made, lambda made: ahead.append(device.ahead) or False)
    assert max(ahead) <= (AHEAD + 1) * STEP
    assert device.busy == pytest.approx(device.host, rel=0.01)


def test_without_a_budget_of_seconds_no_step_waits(device, monkeypatch):
    monkeypatch.setattr(training, "LOG_SECONDS", float("inf"))
    made = emulated(small("static", "steps:1000", evaluations=1), device)
    go_on(made, at_step(999))
    assert device.waits == 0
    assert device.ahead > (DEPTH - 2) * STEP


def test_a_pause_of_the_host_is_booked_as_nothing(device):
    made = emulated(small("static", "steps:40"), device)

    def checkpoint():
        made.state_dict()
        device.host += 60

    made._run.checkpoint_seconds = 0.2
    made.train(lambda event: None, checkpoint, lambda: False)
    assert device.host > 60
    assert sum(made.watch.seconds.values()) < 1


@pytest.mark.parametrize("budget", ["steps:40", "seconds:0.4"])
def test_a_run_that_is_killed_and_resumed_books_each_second_once(budget, device):
    made = emulated(small("rigl", budget), device)
    go_on(made, at_step(17))
    assert device.ahead > 0  # laps are queued when it is saved
    saved = io.BytesIO()
    torch.save(made.state_dict(), saved)
    spent = made.course.clock.spent
    before = dict(made.watch.seconds)
    assert before["train"] == pytest.approx(17 * STEP, abs=20 * LAUNCH)
    go_on(made, at_step(25))  # what is trained after that is lost with the process
    saved.seek(0)
    again = emulated(small("rigl", budget), device)
    device.host += 1000
    again.load_state_dict(torch.load(saved, weights_only=True))
    assert (again.watch.seconds, again.course.clock.spent) == (before, spent)
    go_on(again)
    steps, events = again.course.ledger.steps, len(again.history.topology) - 1
    assert steps == pytest.approx(40, abs=10)
    assert again.watch.seconds["train"] == pytest.approx(steps * STEP, rel=0.05)
    assert again.watch.seconds["topology"] == pytest.approx(events * EVENT, rel=0.05)
    if budget.startswith("seconds"):
        assert 0.4 <= again.course.clock.spent < 0.4 + STEP + EVENT + 3 * LAUNCH


def test_what_precedes_the_first_step_is_known_before_it(device):
    made = emulated(small("snip", "seconds:3"), device)
    begin = made._topology.start

    def slowly(*args):
        device.launch(4)
        begin(*args)

    made._topology.start = slowly
    with pytest.raises(UsageError, match="snip takes 4 seconds of training before the first step"):
        go_on(made)


def test_a_run_that_diverges_has_booked_every_step(device):
    made = emulated(small("static", "steps:1000", evaluations=1), device)
    go_on(made, at_step(70))
    made._step._step._loss.fill_(float("nan"))
    with pytest.raises(DivergedError):
        go_on(made)
    assert made.watch.seconds["train"] == pytest.approx(made.course.ledger.steps * STEP, rel=0.02)


def test_a_run_that_fails_has_booked_what_is_queued(device, tmp_path, monkeypatch):
    def fail(self, iteration):
        raise ValueError("the method's own")

    monkeypatch.setattr(Topology, "update", fail)
    monkeypatch.setattr(training.Step, "__call__", lambda step, *_: device.launch(STEP))
    monkeypatch.setattr(stopwatch, "of", lambda _, course: DeviceStopwatch(device.event, course.elapse))
    made = record(small("rigl", "steps:1000", interval=30), tmp_path)
    assert made["status"] == "failed"
    assert made["cost"]["seconds"]["train"] == pytest.approx(30 * STEP, rel=0.02)


def test_laps_that_are_queued_when_another_state_is_loaded_are_not_booked(device):
    spent = []
    watch = DeviceStopwatch(device.event, spent.append)
    watch.restart()
    device.launch(STEP)
    watch.book("train")
    watch.load_state_dict({"train": 7.0, "eval": 0.0, "topology": 0.0})
    watch.restart()
    watch.settle()
    assert spent == []
    assert watch.seconds == {"train": 7.0, "eval": 0.0, "topology": 0.0}


LAPS = st.tuples(st.sampled_from(["train", "eval", "topology", None]), st.lists(st.floats(0, 1), max_size=4))


@given(laps=st.lists(LAPS, max_size=40), budget=st.none() | st.floats(-1, 30))
def test_every_lap_is_booked_once_under_its_name(laps, budget):
    device, true, spent = Device(), Counter(), []
    left = None if budget is None else lambda: budget - sum(spent)
    watch = DeviceStopwatch(device.event, spent.append, left)
    watch.restart()
    begun = 0.0
    for what, work in laps:
        for seconds in work:
            device.launch(seconds)
        reached = max(device.free, device.host)
        if what is None:
            watch.restart()
        else:
            true[what] += reached - begun
            watch.book(what)
            assert budget is None or len(watch._queued) <= AHEAD
        begun = reached
    watch.settle()
    booked = dict(watch.seconds)
    watch.settle()
    assert watch.seconds == booked == pytest.approx({"train": 0, "eval": 0, "topology": 0} | true, abs=1e-9)
    assert sum(spent) == pytest.approx(true["train"] + true["topology"], abs=1e-9)


def test_a_device_has_the_clock_it_needs(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "Event", lambda **more: asked.append(more) or Device().event())
    timed, counted = (prepare(run).course(run) for run in (small("static", "seconds:10"), small("static", "steps:10")))
    assert type(stopwatch.of(torch.device("cpu"), timed)) is Stopwatch
    one, other = (stopwatch.of(torch.device("cuda"), course) for course in (timed, counted))
    timed.elapse(4)
    assert one._left() == 6
    assert other._left is None
    one.restart()
    assert asked == [{"enable_timing": True, "blocking": True}]


def on_cuda(method, budget, **fields):
    run = small(method, budget, evaluations=1, **fields)
    run.device, run.graph = "cuda", True
    return run


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("method", ["granet", "rigl"])
def test_on_a_gpu_topology_is_booked_as_long_as_it_took(method):
    made, spent = trainer(on_cuda(method, "steps:1000", interval=100)), []
    change = made._change_topology

    def timed(iteration):
        begun, over = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        change(iteration)
        over.record()
        spent.append((begun, over))

    made._change_topology = timed
    go_on(made)
    torch.cuda.synchronize()
    true = sum(begun.elapsed_time(over) for begun, over in spent) / 1000
    assert made.watch.seconds["topology"] == pytest.approx(true, rel=0.2, abs=0.01)


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("method", ["static", "granet", "rigl"])
def test_on_a_gpu_a_budget_of_seconds_is_kept(method):
    made = trainer(on_cuda(method, "seconds:3", interval=100) if method != "static" else on_cuda(method, "seconds:3"))
    go_on(made)
    assert 3 <= made.course.clock.spent < 3.1
    assert made.final_violations() == []
