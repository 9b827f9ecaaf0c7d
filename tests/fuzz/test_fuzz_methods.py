"""Method plug-ins that raise, lie or leave at every hook: a plan refuses them in a line, a run's record says why."""

import dataclasses
import subprocess
import sys

import pytest
from runs import record, small

from harness import config
from harness.errors import UsageError
from harness.plan import planned
from harness.records import load

pytestmark = pytest.mark.usefixtures("forgotten")

HEAD = '''
from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import ClassVar

import sparsebench as sb


@dataclass
class {name}(sb.Method):
    """Breaks a promise."""

    interval: int = 4

    def event(self, moment):
        return sb.Event()

'''


@pytest.fixture
def method(tmp_path):
    """Write a plug-in with the given last lines, and return the override that names it."""

    def write(body, name="Broken"):
        (tmp_path / "broken.py").write_text(HEAD.format(name=name) + f"    {body}\n")
        return f"method={tmp_path}/broken.py:{name}"

    return write


def hook(name, body):
    arguments = {"update": "masks, moment, target", "start": "masks, target", "marks": "", "event": "moment"}
    arguments |= {"gradient_counts": "shapes, active, target", "forward_weight": "weight, mask, layer, masks"}
    arguments |= {"learned": "masks", "each_step": "masks", "redraws": "target"}
    takes = arguments.get(name, "moment, target" if name == "density" else "target")
    return f"def {name}(self{', ' if takes else ''}{takes}): {body}"


WRONG_COUNTS = [
    *("5", "'abc'", "[-1 for n in active]", "[n - 1 for n in active]", "[10**9 for n in active]", "active[:-1]"),
    *("[n + 0.5 for n in active]", "[float('nan') for n in active]", "[active.clear()]"),
]
RAISES = "raise RuntimeError('first\\nsecond \\x1b[31m')"


@pytest.mark.parametrize(
    "body",
    [
        *(hook(name, RAISES) for name in ("initial_density", "marks", "event", "density", "rewinding")),
        *(hook("initial_density", f"return {value}") for value in ("None", "'x'", "-3", "2.0", "float('nan')", "0")),
        *(hook("density", f"return {value}") for value in ("'x'", "1e9", "float('nan')", "[]", "-0.1")),
        *(hook("marks", f"return {value}") for value in ("None", "(0.5, 'x')", "7")),
        *(hook("event", f"return {value}") for value in ("True", "'x'", "{}")),
        *(hook("rewinding", f"return {value}") for value in ("True", "sb.Event()")),
        *("interval: int = -5", "interval: str = 'x'", "distribution: str = 'x'", "x: object = None", "x: list = None"),
        *("masked: ClassVar = 'x'", "family: ClassVar = object()", "summary: ClassVar = 5", "look: ClassVar = 'red'"),
        "def __post_init__(self): raise RuntimeError('no')",
        *(hook("marks", f"return (0.5, float('{value}'))") for value in ("nan", "inf", "-0.1")),
        *(hook("probe", f"return {value}") for value in ("True", "(1, 2)", "sb.Probe(temperature='x')")),
        *(hook("probe", f"return sb.Probe({name}=10**9)") for name in ("batches", "per_class", "flows")),
        hook("probe", "return sb.Probe(batches=1000)"),
        *(hook("pattern", f"return {value}") for value in ("'x'", "{'kind': 'fan_in'}", "sb.Pattern('n:m', 4, 4)")),
        *(hook("gradient_counts", f"return {value}") for value in WRONG_COUNTS),
        hook("event", "return sb.Event(dense_gradient='y')"),
    ],
)
def test_a_plan_of_a_method_that_is_broken_is_refused_in_one_line(method, body):
    overrides = [method(body), "budget=steps:20", "sparsity=0.8", "runner=local"]
    with pytest.raises(UsageError) as caught:
        planned.plan([config.resolve(overrides)])[0].entry()
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 600
    assert "Broken" in line or "broken.py" in line or "method." in line or "sparsity" in line


OUTSIDE = "[weight.data.fill_(1.0) for weight in masks._weights]"
STATE = "[state.fill_(1.0) for each in masks._optimizer.state.values() for state in each.values() if state is not None]"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (hook("start", "raise KeyError('k')"), "failed", "KeyError"),
        (hook("start", "pass"), "invalid", "active weights where the target is"),
        (hook("update", "raise MemoryError"), "out_of_memory", "MemoryError"),
        (hook("update", "raise ValueError('\\ud800 \\x00 \\u202e')"), "failed", "ValueError: \\ud800"),
        (hook("update", "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})"), "failed", "Mute"),
        (hook("update", "raise OSError(28, 'No space left on device')"), "failed", "No space left"),
        (hook("update", "masks.prune_globally(-5)"), "failed", ""),
        (hook("update", "masks.prune_globally('x')"), "failed", "TypeError"),
        (hook("update", "masks.prune_layers([1])"), "invalid", "active weights where the target is"),
        (hook("update", "masks.drop_and_grow([10**9] * len(masks), 'random')"), None, ""),
        (hook("update", OUTSIDE), "invalid", "not zero outside the masks"),
        (hook("update", STATE), "invalid", "not zero outside the masks"),
        (hook("update", "masks.active[0] += 7"), "invalid", "other numbers of weights than were booked"),
        (hook("update", "masks.active = None"), "failed", ""),
    ],
)
def test_a_run_of_a_method_that_is_broken_leaves_a_record_that_says_so(method, tmp_path, body, status, reason):
    run = small("static")
    run.method = dataclasses.replace(config.resolve([method(body)]).method)
    made = record(run, tmp_path)
    assert made["status"] == status if status else made["status"] != "done"
    assert reason in made["reason"]
    assert load(tmp_path / "record.json")["reason"] == made["reason"]


@pytest.mark.parametrize("leaves", ["os._exit(0)", "sys.exit(0)"])
def test_a_method_that_leaves_with_success_has_failed(method, tmp_path, leaves):
    small_run = ["budget=steps:8", "sparsity=0.8", "runner=local", "device=cpu", f"output={tmp_path / 'out'}"]
    command = [sys.executable, "-m", "harness.cli", "run", method(hook("start", leaves)), *small_run]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (path,) = (tmp_path / "out" / "records").glob("*.json")
    assert load(path)["status"] == "failed"


USED = hook("forward_weight", "return weight + (weight * mask - weight).detach()")
ROLLS = hook("each_step", "[masks.move(layer, masks.alive(layer).roll(7)) for layer in masks.sparse_layers]")
TWICE = "return [min(2 * n, __import__('math').prod(shape)) for n, shape in zip(active, shapes)]"
DOUBLE = hook("gradient_counts", TWICE)
ALSO = "masks.train_also({l: masks.alive(l) | masks.alive(l).roll(1) for l in range(len(masks))})"
ONES = "{'a': [masks.weight(l).new_ones(1) for l in range(len(masks))]}"
SCORES = "[masks.magnitude(layer) for layer in range(len(masks))]"
LIES = [
    ([hook("pattern", "return sb.Pattern('fan_in')")], "invalid", "the fan_in pattern is broken"),
    ([hook("pattern", "return sb.Pattern('n:m', 1, 10)")], "failed", "10 divides no input dimension"),
    ([hook("forward_weight", "return weight")], "invalid", "not zero outside the masks"),
    ([hook("forward_weight", "return weight.where(mask != 0, float('nan'))")], "diverged", "loss is nan"),
    ([hook("forward_weight", "return weight[:1]")], "failed", "forward_weight returns torch.float32 of shape"),
    ([hook("forward_weight", "return (weight * mask).double()")], "failed", "forward_weight returns torch.float64"),
    ([hook("forward_weight", "return (weight * mask).detach()")], "failed", "does not depend on the stored weights"),
    ([hook("forward_weight", "return [weight]")], "failed", "forward_weight returns a list, not a tensor"),
    ([hook("forward_weight", "return mask.fill_(1.0) * weight")], "invalid", "other numbers of weights"),
    ([hook("learned", "return 5"), USED], "failed", "learned returns a int, not a Learned"),
    ([hook("learned", "return sb.Learned({'a': []})"), USED], "failed", "'a' has 0 tensors for 4 masked layers"),
    ([hook("learned", "return sb.Learned({'a': [1.0] * len(masks)})"), USED], "failed", "other than tensors of real"),
    ([hook("learned", f"return sb.Learned({ONES}, -1.0)"), USED], "failed", "learned.weight_decay: -1.0"),
    ([hook("redraws", "return 'x'")], "failed", "redraws returns 'x', which is not one of initial, other"),
    ([hook("start", "masks.flow()")], "failed", "no data-free pass was requested"),
    ([hook("start", "masks.gradient(0)")], "failed", "did not request dense gradients"),
    ([hook("update", f"masks.keep({SCORES}, 0.5)")], "failed", "keep: [0.5] are not whole numbers"),
    ([hook("update", f"masks.keep({SCORES}, 10**9)")], "failed", "keep: 1000000000 is not in 0...93728"),
    ([hook("update", f"masks.keep({SCORES}, 5)")], "invalid", "5 active weights where the target is"),
    ([hook("update", f"masks.keep_layers({SCORES}, [1])")], "failed", "keep_layers: 1 counts for 4 layers"),
    ([hook("update", "masks.keep('x', 5)")], "failed", "keep: there must be one score for each weight"),
    ([USED, hook("start", f"super().start(masks, target); {ALSO}")], "failed", "gradient_counts: "),
    ([USED, DOUBLE, ROLLS, hook("start", f"super().start(masks, target); {ALSO}")], "invalid", "is not charged"),
    (["exact: ClassVar = False", hook("start", f"masks.keep({SCORES}, 0)")], "invalid", "no weight is left"),
]


@pytest.mark.parametrize(("bodies", "status", "reason"), LIES)
def test_a_run_of_a_method_that_lies_leaves_a_record_that_says_so(method, tmp_path, bodies, status, reason):
    run = small("static", "steps:12", evaluations=1)
    run.method = config.resolve([method("\n    ".join(bodies))]).method
    made = record(run, tmp_path)
    assert (made["status"], reason in made["reason"]) == (status, True), made["reason"]
    assert "\n" not in made["reason"]


def test_counts_of_numpy_are_recorded_as_whole_numbers(method, tmp_path):
    """Its integers of 64 bits would overflow in a ledger."""
    run = small("static", "steps:12")
    counts = "import numpy as np; masks.keep_layers(" + SCORES + ", np.array(masks.active))"
    run.method = config.resolve([method(hook("update", counts))]).method
    assert record(run, tmp_path)["status"] == "done"


def test_numbers_that_no_record_can_hold_are_refused():
    run = small("mest", importance=1e30)
    with pytest.raises(UsageError, match=r"^method.importance 1e\+30 is not below 9.223e\+18"):
        config.checked(run)
