"""What a plug-in's task remembers from call to call is in no checkpoint: it is refused by name."""

import random
from collections import Counter, deque
from functools import partial

import numpy as np
import pytest
import torch
from runs import at_step, train
from test_tasks import REGRESSION, call, resolved

from harness.errors import UsageError
from harness.records import load
from harness.tasks import state
from harness.tasks.base import Task
from harness.training import contract
from harness.training.prepare import prepare

pytestmark = pytest.mark.usefixtures("forgotten")

LOSS = "        return F.mse_loss(outputs, targets)\n"
COUNTS = "        self.calls = getattr(self, 'calls', 0) + 1\n"
LATER = """    calls = [0]

    def loss(self, outputs, targets):
        self.calls[0] += targets.shape[0] > 8 and self.calls[0] < 10
        return F.mse_loss(outputs, targets) * (2 if self.calls[0] > 5 else 1)
"""
"""It counts batches, but not those of the trial before training, of eight samples."""


def written(tmp_path, old, new):
    assert old in REGRESSION
    path = tmp_path / "waves.py"
    path.write_text("CALLS = []\n" + REGRESSION.replace(old, new))
    return f"dataset={path}:Waves"


def later(tmp_path):
    head = "    def loss(self, outputs, targets):\n"
    return written(tmp_path, head + LOSS, LATER)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (LOSS, COUNTS + LOSS, r"its loss changes self\.calls, which is in no checkpoint"),
        ("        error = ", COUNTS + "        error = ", r"its tally or score changes self\.calls"),
        (
            LOSS,
            "        self.mean = getattr(self, 'mean', 0) * 0.9 + outputs.detach().mean()\n" + LOSS,
            r"its loss changes self\.mean",
        ),
        (
            "    def data(self",
            "    seen = []\n\n    def data(self",
            None,
        ),
        (
            LOSS,
            "        type(self).calls = getattr(self, 'calls', 0) + 1\n" + LOSS,
            r"its loss changes Waves\.calls",
        ),
        (
            LOSS,
            "        CALLS.append(1)\n" + LOSS.replace("targets)", "targets) * len(CALLS)"),
            "its loss is .* for the same outputs and targets",
        ),
        (LOSS, LOSS.replace("targets)", "targets) * np.random.default_rng().uniform()"), "its loss is .* for the same"),
        # What is set once stays allowed, and so are the global generators, which checkpoints hold.
        ("    def loss", "    def __init__(self):\n        self.scale = {'a': [1.0]}\n\n    def loss", None),
        (LOSS, LOSS.replace("targets)", "targets) * (1 + 0.1 * torch.rand(()))"), None),
    ],
)
def test_a_task_that_remembers_calls_is_refused_before_training(tmp_path, old, new, reason):
    new = new.replace("torch.rand", "__import__('torch').rand")
    run = resolved(written(tmp_path, old, new))
    if reason is None:
        contract.require(run, prepare(run).model)
        return
    with pytest.raises(UsageError, match=f"task 'Waves' cannot be used: {reason}") as caught:
        contract.require(run, prepare(run).model)
    assert "\n" not in str(caught.value)


def test_one_that_begins_to_remember_later_ends_failed_by_name(tmp_path):
    output = tmp_path / "results"
    words = [later(tmp_path), "model=mlp", "recipe=tabular", "budget=steps:12", "device=cpu", "runner=local"]
    assert call("run", *words, "method=static", f"output={output}") == 1
    (path,) = (output / "records").glob("*.json")
    record = load(path)
    assert record["status"] == "failed"
    assert record["reason"].startswith("by step 12 task 'Waves' has changed Waves.calls, which is in no checkpoint")


def test_no_checkpoint_is_written_of_it(tmp_path):
    made = train(resolved(later(tmp_path), "method=static"), at_step(3))
    with pytest.raises(UsageError, match=r"by step 3 task 'Waves' has changed Waves\.calls"):
        made.state_dict()


class Holder(Task):
    """Holds one thing."""


def counted():
    count = 0

    def step():
        nonlocal count
        count += 1

    return step


def numbers():
    yield from range(9)


@pytest.mark.parametrize(
    ("thing", "change"),
    [
        (torch.zeros(3), lambda it: it.add_(1)),
        (np.zeros(3), lambda it: it.__setitem__(0, 1)),
        ([[1], {"a": 2}], lambda it: it[1].update(a=3)),
        (Counter("ab"), lambda it: it.update("a")),
        (deque([1]), lambda it: it.append(2)),
        ({1, 2}, lambda it: it.add(3)),
        (random.Random(0), lambda it: it.random()),
        (np.random.default_rng(0), lambda it: it.random()),
        (torch.Generator(), lambda it: torch.rand(1, generator=it)),
        (torch.nn.BatchNorm1d(2), lambda it: it(torch.rand(4, 2))),
        (counted(), lambda it: it()),
        (partial(list.append, []), lambda it: it(1)),
        (numbers(), next),
        (iter([1, 2]), next),
    ],
    ids=lambda it: type(it).__name__,
)
def test_a_change_of_any_object_is_found_and_none_is_made_up(thing, change):
    task = Holder()
    task.thing, task.constant = thing, (thing, task, "x", None, float("nan"), np.float32, np.sum, torch.ones(2).bool())
    before = state.attributes(task)
    assert state.changed(before, task) == []
    change(thing)
    assert state.changed(before, task) == ["self.constant", "self.thing"]


def test_values_count_and_not_where_they_are():
    task = Holder()
    task.weights = torch.arange(4.0)[::2]
    before = state.attributes(task)
    task.weights = torch.tensor([0.0, 2.0], requires_grad=True)
    assert state.changed(before, task) == []
    del task.weights
    task.more = 1
    assert state.changed(before, task) == ["self.more", "self.weights"]
