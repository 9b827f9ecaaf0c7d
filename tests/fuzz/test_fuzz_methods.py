"""Method plug-ins that raise, lie or leave at every hook: a plan refuses them in a line, a run's record says why."""

import dataclasses
import subprocess
import sys

import pytest
from runs import record, small

from harness import config, plugins
from harness.errors import UsageError
from harness.plan import planned
from harness.records import load

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


@pytest.fixture(autouse=True)
def forgotten():
    """Forget, after each test, what it has registered."""
    yield
    for module in [name for name in sys.modules if name.startswith("plugin_")]:
        plugins._forget(module)
    plugins._module.cache_clear()


@pytest.fixture
def method(tmp_path):
    """Write a plug-in with the given last lines, and return the override that names it."""

    def write(body, name="Broken"):
        (tmp_path / "broken.py").write_text(HEAD.format(name=name) + f"    {body}\n")
        return f"method={tmp_path}/broken.py:{name}"

    return write


def hook(name, body):
    arguments = {"update": "masks, moment, target", "start": "masks, target", "marks": "", "event": "moment"}
    takes = arguments.get(name, "moment, target" if name == "density" else "target")
    return f"def {name}(self{', ' if takes else ''}{takes}): {body}"


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
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (path,) = (tmp_path / "out" / "records").glob("*.json")
    assert load(path)["status"] == "failed"
