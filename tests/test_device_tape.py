"""Recorded steps, replayed from a tape of their operators (`taped`), train as the steps themselves do.

Calling the step again, as a CPU does for want of graphs, cannot show what a recording would miss. The tape can, and
faults that are planted here prove it.
"""

import pytest
import taped
import torch
from runs import everything as trained
from runs import go_on, small, train, trainer

from harness.training.graph import RecordedStep
from harness.training.step import Step
from methods.parts.layers import MaskedLayers

CROP = {"augment": "crop"}
STEPS = "steps:40"


def everything(made):
    memory = [tensor for tensors in made.masks.memory.values() for tensor in tensors]
    learned = [tensor for _, tensor in made.masks.learned_tensors()]
    return [*trained(made), *memory, *learned]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(everything(one), everything(other), strict=True))


@pytest.fixture
def both(monkeypatch):
    """Return a call that trains twice, with steps that are called and from tape."""

    def twice(name, recipe=CROP, **fields):
        runs = [small(name, STEPS, recipe=recipe, **fields) for _ in range(2)]
        for run in runs:
            run.graph = True
        called = train(runs[0])
        with monkeypatch.context() as patched:
            patched.setattr(RecordedStep, "_record", taped.record)
            return called, train(runs[1])

    return twice


METHODS = ["dense", "static", "granet", "granet_s0", "rigl", "set", "gmp", "mest", "lth_rewind", "acdc"]
STEPWISE = ["snfs", "sr_ste", "str", "top_kast"]  # these do something in each step


@pytest.mark.parametrize("name", METHODS + STEPWISE)
def test_steps_from_tape_train_bit_for_bit_as_those_that_are_called(name, both):
    called, replayed = both(name)
    assert same(called, replayed)
    assert called.history.curve == replayed.history.curve
    assert called.history.topology == replayed.history.topology
    assert replayed.final_violations() == []


def test_adamw_is_on_tape_with_its_own_count_of_steps(both):
    assert same(*both("rigl", recipe={**CROP, "optimizer": "adamw", "lr": 0.01}))


def test_recording_changes_nothing_and_replaying_takes_the_step():
    run = small("static", STEPS, recipe=CROP)
    run.graph = True
    made = trainer(run)
    go_on(made, lambda made: made.course.ledger.steps == 5)
    pick = next(made._picks)
    before = [tensor.clone() for tensor in everything(made)]
    replay = taped.record(made._step._recorded, pick)
    assert all(torch.equal(a, b) for a, b in zip(before, everything(made), strict=True))
    replay()
    assert not all(torch.equal(a, b) for a, b in zip(before, everything(made), strict=True))


def test_a_rate_that_is_a_number_is_seen_from_tape_alone(both, monkeypatch):
    def number(step, rate):
        for group in step._optimizer.param_groups:
            group["lr"] = rate

    right, _ = both("static")
    monkeypatch.setattr(Step, "_set_rate", number)
    called, replayed = both("static")
    assert [point["lr"] for point in called.history.curve] == [point["lr"] for point in right.history.curve]
    assert called.history.curve[-1]["train_loss"] == pytest.approx(right.history.curve[-1]["train_loss"], rel=1e-3)
    assert not same(called, replayed)


def test_masks_that_move_to_other_memory_are_seen_from_tape_alone(both, monkeypatch):
    settle = MaskedLayers._settle

    def moving(masks, changed, **more):
        for layer in changed:
            masks._masks[layer] = masks._masks[layer].clone()
        settle(masks, changed, **more)

    right, _ = both("rigl")
    monkeypatch.setattr(MaskedLayers, "_settle", moving)
    called, replayed = both("rigl")
    assert same(right, called)
    assert not same(called, replayed)


def test_a_step_in_which_the_host_reads_a_result_cannot_be_recorded():
    step = RecordedStep(lambda images: float(images.sum()))
    with pytest.raises(RuntimeError, match="not permitted while a stream is capturing"):
        taped.record(step, (torch.ones(3),))
