"""Checkpoints that are sealed but hold nonsense, or are none at all: the run resumes or begins anew, and says so."""

import copy
import os
import pickle
import random
import time
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import at_step, small, train, trainer

from harness.machine.meter import Meter
from harness.training import sealed
from harness.training.checkpoint import BAD, BEFORE, CHECKPOINT, Checkpoints

KEY = "0123456789abcdef"
VALUES = [None, True, -1, 10**30, float("nan"), "", "x" * 1000, b"\x00", [], {}, (), torch.zeros(3), torch.tensor([])]


def checkpoints(folder, made, said):
    return Checkpoints(folder, KEY, made, Meter("cpu"), started=time.perf_counter(), emit=said.append)


@pytest.fixture(scope="module")
def run():
    return small("rigl", "steps:20")


@pytest.fixture(scope="module")
def state(run, tmp_path_factory):
    """Return the state of a run after ten steps, as its checkpoint holds it."""
    folder = tmp_path_factory.mktemp("state")
    assert checkpoints(folder, train(run, at_step(10)), []).save()
    return sealed.read(folder / CHECKPOINT)


def places(value, place=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*place, key)
        yield from places(part, (*place, key))


def resume(run, folder):
    """Resume a run from what is in the folder; return whether it was resumed, its trainer, and what was said."""
    said = []
    found = checkpoints(folder, trainer(run), said)
    made = found.resume(lambda: trainer(run))
    return found.resumed, made, [event["text"] for event in said]


# A tensor in the place of a point of the curve: torch warns before it refuses the name of a field as an index.
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.randoms(use_true_random=False))
def test_a_state_that_does_not_fit_is_set_aside_in_a_line(run, state, tmp_path, draw):
    changed = copy.deepcopy(state)
    for _ in range(draw.choice((1, 1, 3))):
        *outer, last = draw.choice(list(places(changed)))
        parent = changed
        for key in outer:
            parent = parent[key]
        if isinstance(parent, dict) and draw.random() < 0.3:
            del parent[last]
        else:
            parent[last] = draw.choice(VALUES)
    for name in (CHECKPOINT, BEFORE, BAD):
        (tmp_path / name).unlink(missing_ok=True)
    sealed.write(changed, tmp_path / CHECKPOINT)
    resumed, made, said = resume(run, tmp_path)
    if not resumed:
        assert made.course.ledger.steps == 0
        (line,) = said
        assert line.isprintable()
        assert "set aside" in line
        assert len(line) < 1_500


class Runs:
    """Leaves a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return (os.mkdir, (str(self._path),))


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_nothing_in_a_checkpoint_is_executed(run, tmp_path, how):
    proof = tmp_path / "executed"
    with (tmp_path / CHECKPOINT).open("wb") as file:
        if how == "pickle":
            pickle.dump({"key": KEY, "trainer": Runs(proof)}, file)
        else:
            torch.save({"key": KEY, "trainer": Runs(proof)}, file)
    resumed, _, said = resume(run, tmp_path)
    assert not resumed
    assert not proof.exists()
    assert len(said) == 1


def test_a_sealed_checkpoint_executes_nothing_either(run, tmp_path):
    proof = tmp_path / "executed"
    sealed.write({"key": KEY, "trainer": Runs(proof)}, tmp_path / CHECKPOINT)
    resumed, _, said = resume(run, tmp_path)
    assert not resumed
    assert not proof.exists()
    assert len(said) == 1


def test_bytes_at_random_are_never_a_checkpoint(run, state, tmp_path):
    whole = tmp_path / "whole.pt"
    sealed.write(state, whole)
    content = whole.read_bytes()
    draw = random.Random(0)
    for number in range(40):
        at = draw.randrange(len(content))
        damaged = [
            content[:at],
            content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :],
            content + draw.randbytes(9),
            draw.randbytes(300),
        ][number % 4]
        Path(tmp_path / CHECKPOINT).write_bytes(damaged)
        assert not resume(run, tmp_path)[0], number
