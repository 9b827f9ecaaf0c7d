"""One-shot pruning, random pruning and cyclic training: what the controls of other methods do."""

import pytest
import torch
from runs import at_step, small, train
from torch import nn

from methods import Masks, Moment, build


def started(run):
    """Return a trainer whose masks are set, before the first step."""
    return train(run, at_step(0))


def test_one_shot_prunes_once_where_it_is_told_to():
    made = train(small("one_shot", prune_at=0.25))
    assert [entry["step"] for entry in made.history.topology] == [0, 10]
    assert made.history.topology[0]["active"] == made.masks.sizes
    early = train(small("one_shot", prune_at=0.25), at_step(10))
    weights = [weight.detach().flatten().abs() for _, weight in early.model.named_parameters() if weight.ndim > 1]
    assert sum(early.masks.active) == sum(int((part > 0).sum()) for part in weights)
    dense = train(small("dense"), at_step(10))
    magnitudes = torch.cat([weight.detach().flatten().abs() for weight in dense.model.parameters() if weight.ndim > 1])
    kept = torch.cat(weights)
    assert torch.equal(kept[kept > 0].sort()[0], magnitudes.topk(sum(early.masks.active))[0].sort()[0])


def test_one_shot_prunes_on_the_step_that_reaches_its_position_and_on_no_other():
    method = build({"name": "one_shot", "prune_at": 0.25})
    events = [step for step in range(1, 41) if method.event(Moment(step, step / 40, (step - 1) / 40, 40))]
    assert events == [10]


@pytest.mark.parametrize("name", ["one_shot", "cyclic"])
def test_an_interval_is_refused_where_nothing_happens_at_one(name):
    with pytest.raises(ValueError, match=r"method\.interval: 100 is not 0"):
        build({"name": name, "interval": 100})


def test_random_pruning_follows_the_ramp_of_gmp_with_equal_densities():
    made, gmp = train(small("random_pruning")), train(small("gmp"))
    totals = [[sum(entry["active"]) for entry in run.history.topology] for run in (made, gmp)]
    assert [entry["step"] for entry in made.history.topology] == [entry["step"] for entry in gmp.history.topology]
    assert totals[0] == pytest.approx(totals[1], abs=1)
    for entry in made.history.topology:
        densities = [active / size for active, size in zip(entry["active"], made.masks.sizes, strict=True)]
        assert densities == pytest.approx([sum(entry["active"]) / made.masks.maskable] * 4, abs=1 / 288)


def test_random_pruning_never_looks_at_weights():
    """Each active weight is as likely to stay as any other."""
    stayed = torch.zeros(60)
    method = build({"name": "random_pruning", "interval": 1, "prune_end": 0.9})
    for seed in range(600):
        weight = nn.Parameter(torch.arange(60.0).view(60, 1))
        masks = Masks([("weight", weight)], torch.Generator().manual_seed(seed))
        method.update(masks, Moment(90, 0.9, 0.89, 100), 0.5)
        stayed += masks.alive(0)
    assert sum((float(count) - 300) ** 2 / 150 for count in stayed) < 100  # 59 degrees of freedom, p < 0.001


def test_what_random_pruning_removes_never_returns():
    before = None

    def look(made):
        nonlocal before
        now = torch.cat([mask.flatten() for _, mask in made.masks.tensors()])
        assert before is None or not (now & ~before).any()
        before = now
        return False

    train(small("random_pruning"), look)


def test_cycles_repeat_the_whole_schedule_within_one_budget():
    made = train(small("cyclic", cycles=4, evaluations=4))
    assert made.course.ledger.steps == 40
    assert [training["step"] for training in made.history.rounds] == [10, 20, 30, 40]
    rates = {point["step"]: point["lr"] for point in made.history.curve}
    assert rates[10] == rates[20] == rates[30] == rates[40]


def test_cyclic_training_with_random_masks_has_those_of_static():
    static, cyclic = started(small("static")).masks, started(small("cyclic")).masks
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(static.tensors(), cyclic.tensors(), strict=True))


@pytest.mark.parametrize("init", ["snip", "magnitude", "grasp", "synflow"])
def test_cyclic_training_takes_the_mask_of_its_init(init):
    name = "magnitude_init" if init == "magnitude" else init
    defaults = {"synflow": {"rounds": 100}, "grasp": {"per_class": 10}}.get(init, {})
    more = {"dataset": {"train_examples": 400}}
    one, other = started(small(name, **defaults, **more)), started(small("cyclic", init=init, **more))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one.masks.tensors(), other.masks.tensors(), strict=True))
    assert one.course.ledger.samples == other.course.ledger.samples
