"""Every method, killed while it probes, between steps, or when it has just finished, comes to the same result."""

import os
import signal

import pytest
from faults import outcome, request
from runs import METHODS, record, small

from harness.runners.local import _inside
from harness.runners.processes import Process
from methods import Method, build
from methods.base import overrides

STEPS = 24
MORE = {"mest": {"extra": 0.5}, "cyclic": {"init": "snip", "shuffle": "layerwise"}}
BUILT = {name: build({"name": name}) for name in METHODS}
KILLS = {name: [STEPS // 2 + 1] for name in METHODS}
"""After how many checkpoints, of one after each step and one at the end; 0 is in the middle of the probe."""

for name, method in BUILT.items():
    KILLS[name] += [0, 1] if method.probe(0.1) is not None else []
    KILLS[name] += [STEPS + 1] if overrides(method, "forward_weight") or overrides(method, "finish") else []


def asked(name, checkpoint_seconds):
    run = small(name, f"steps:{STEPS}", **MORE.get(name, {}))
    run.recipe.threads, run.recipe.augment = 1, "crop"
    run.checkpoint_seconds = checkpoint_seconds
    return run


def killed(outside, path, folder, log, after):
    """Train, and kill this process at one of `KILLS`; of the checkpoints only the last is written."""
    from harness.training import checkpoint, probing

    save, calls = checkpoint.Checkpoints.save, []

    def save_and_die(self):
        calls.append(self)
        if len(calls) == after:
            assert save(self)
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def dying(derive):
        def probe(*given):
            derive(*given)
            os.kill(os.getpid(), signal.SIGKILL)

        return probe

    checkpoint.Checkpoints.save = save_and_die
    if not after:
        for derive in ("gradient", "gradient_and_hessian_product", "flow"):
            setattr(probing, derive, dying(getattr(probing, derive)))
    return _inside(outside, path, folder, log, None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the record and the network of an undisturbed run by name, each trained once."""
    found = {}

    def of(name):
        if name not in found:
            folder = tmp_path_factory.mktemp(name)
            made = record(asked(name, 0), folder)
            assert made["status"] == "done", made["reason"]
            found[name] = made, (folder / "final.safetensors").read_bytes()
        return found[name]

    return of


@pytest.mark.parametrize(("name", "after"), [(name, after) for name in METHODS for after in KILLS[name]])
def test_a_killed_method_resumes_to_the_bit(name, after, whole, tmp_path):
    expected, network = whole(name)
    log = tmp_path / "log.txt"
    child = Process(killed, request(asked(name, 1e-9), tmp_path), tmp_path, log, after).start()
    try:
        assert child.wait(60)
    finally:
        child.stop(grace=0)
    assert child.exitcode == -signal.SIGKILL, log.read_text()
    made = record(asked(name, 0), tmp_path)
    assert made["status"] == "done"
    assert made["provenance"]["resumed"] == (after > 0)
    assert outcome(made) == outcome(expected)
    assert made["cost"].get("probe") == expected["cost"].get("probe")
    assert (tmp_path / "final.safetensors").read_bytes() == network


def test_every_kind_of_moment_is_tried():
    assert {"snip", "grasp", "synflow"} <= {name for name in METHODS if 0 in KILLS[name]}
    assert {"str", "sr_ste", "top_kast"} <= {name for name in METHODS if STEPS + 1 in KILLS[name]}
    assert not overrides(Method(), "finish")
