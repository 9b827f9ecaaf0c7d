"""Runs that are killed at random moments, again and again, come to the same result to the last bit."""

import json
import random
import shutil
import signal
import time

import pytest
from faults import outcome, request
from runs import small

from harness.runners.local import _inside
from harness.runners.processes import Process

BUDGET = "steps:1200"
RUNS = {
    "dense": {"method": "dense"},
    "static": {"method": "static"},
    "rigl": {"method": "rigl"},
    "set": {"method": "set_itop"},
    "gmp": {"method": "gmp"},
    "granet": {"method": "granet"},
}


def asked(name, checkpoint_seconds=0.02):
    run = small(**{"budget": BUDGET, **RUNS[name]}, recipe={"threads": 1})
    run.checkpoint_seconds = checkpoint_seconds
    return run


def train(folder, run, key, kill_after=None, **more):
    """Train in a process of its own; kill it so many seconds after it has begun. Return whether it has ended."""
    child = Process(_inside, request(run, folder, key, **more), folder, folder / "log.txt", None).start()
    try:
        while not child.wait(0):
            if child.connection.poll(0.05) and json.loads(child.connection.recv_bytes())["event"] == "started":
                break
        if kill_after is not None and not child.wait(kill_after):
            child.send_signal(signal.SIGKILL)
        child.wait()
    except EOFError:
        child.wait()
    finally:
        child.stop(grace=0)
    return child.exitcode == 0


def record(folder):
    return json.loads((folder / "record.json").read_text())


def to_the_end(folder, run, key, draws, kills, **more):
    """Train with so many kills; return how many there were, and whether a checkpoint was resumed from."""
    killed = 0
    while killed < kills and not train(folder, run, key, kill_after=draws.uniform(0.0, 0.5), **more):
        killed += 1
    if killed == kills:
        assert train(folder, run, key, **more), (folder / "log.txt").read_text()
    return killed


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The records of undisturbed runs by name."""
    found = {}
    for name in RUNS:
        folder = tmp_path_factory.mktemp(name)
        assert train(folder, asked(name, 0), "0" * 16)
        found[name] = record(folder)
    return found


@pytest.mark.parametrize("name", RUNS)
def test_killed_runs_resume_to_the_bit(name, whole, tmp_path):
    draws = random.Random(name)
    killed = to_the_end(tmp_path, asked(name), "0" * 16, draws, kills=3)
    made = record(tmp_path)
    assert made["status"] == "done"
    assert outcome(made) == outcome(whole[name])
    assert killed == 3


def test_killed_chains_resume_to_the_bit(tmp_path):
    """Each run of the chain is killed, and the second begins where the first, in the end, has led."""

    def member(sparsity, checkpoint_seconds=0.02):
        run = small("lth_rewind", "steps:800", budget_rounds="each", sparsity=sparsity, share=0.2)
        run.recipe.threads, run.checkpoint_seconds = 1, checkpoint_seconds
        return run

    folders = [tmp_path / name for name in ("whole", "first", "then")]
    for folder in folders:
        folder.mkdir()
    alone, first, then = folders
    assert train(alone, member(0.488, 0), "1" * 16)
    draws = random.Random(1)
    killed = to_the_end(first, member(0.36), "0" * 16, draws, kills=4, successor="1" * 16)
    shutil.move(first / "successor.pt", then / "checkpoint.pt")
    killed += to_the_end(then, member(0.488), "1" * 16, draws, kills=4)
    assert killed >= 5  # all four of the first run, and what the second, which has a round left to train, lasts for
    assert record(then)["provenance"]["resumed"]
    assert outcome(record(then)) == outcome(record(alone))


def test_the_clock_may_be_set_back(tmp_path, whole):
    """Times of day jump back a year in the middle: nothing that is measured depends on them."""
    child = Process(set_back, request(asked("rigl"), tmp_path), tmp_path).start()
    child.wait(60)
    child.stop(grace=0)
    made = record(tmp_path)
    assert made["status"] == "done"
    assert made["provenance"]["finished"] < made["provenance"]["started"]
    assert outcome(made) == outcome(whole["rigl"])
    seconds = made["cost"]["seconds"]
    assert all(0 <= value < 60 for value in seconds.values())


def set_back(outside, path, folder):
    from harness.training import worker

    real, begun = time.time, time.time()
    time.time = lambda: begun - (real() - begun) * 3e7
    moments = iter(["2026-01-02T00:00:00Z", "2025-01-02T00:00:00Z"])
    worker._now = lambda: next(moments)
    return worker.work(path, folder, lambda event: None)
