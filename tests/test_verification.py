"""The check of what a container left: each lie on its own, on a real run's files."""

import copy
import json
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from harness import config
from harness.audit import referee
from harness.audit.claims import MARK, UntrustedFileError, claim_problems, identity_problems, open_plain, read_record
from harness.plan.planned import settled
from harness.records import bits
from harness.training import network

ASKED = ["method=rigl", "dataset=digits", "budget=steps:250", "device=cpu", "evaluations=2", "recipe.threads=1"]
TESTS = 360  # images of the digits' test set


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A run's request, record, weights file and what the referee finds, all from the real worker."""
    folder = tmp_path_factory.mktemp("run")
    run = settled(config.resolve(ASKED))
    request = {"config": config.to_dict(run), "key": "f" * 16, "runner": "docker", "provenance": {}}
    (folder / "request.json").write_text(json.dumps(request))
    command = [sys.executable, "-m", "harness.training.worker", str(folder / "request.json"), str(folder)]
    started = time.monotonic()
    subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, stdout=subprocess.DEVNULL, timeout=600
    )
    elapsed = time.monotonic() - started
    record = read_record(folder / "record.json")
    assert record["status"] == "done"
    left = network.read(folder / network.FINAL)
    return {"request": request, "record": record, "left": left, "elapsed": elapsed}


@pytest.fixture
def case(honest, tmp_path):
    """A copy of it that a test may change; `find` lets the referee judge what is there now."""
    case = copy.deepcopy(honest)

    def find():
        network.write(case["left"], tmp_path / network.FINAL)
        return referee.judge(case["request"]["config"], tmp_path / network.FINAL)

    case["find"] = find
    return case


def claims(case):
    return claim_problems(case["record"], case["find"](), TESTS, case["elapsed"])


def test_an_honest_run_has_no_problems(case):
    assert identity_problems(case["record"], case["request"]) == []
    assert claims(case) == []


@pytest.mark.parametrize(
    ("where", "name", "lie", "reason"),
    [
        ("metrics", "test_accuracy", 1.0, "test_accuracy is 1.0, measured"),
        ("metrics", "test_accuracy", math.nan, "test_accuracy is nan, measured"),
        ("metrics", "test_accuracy", None, "test_accuracy is None, measured"),
        ("metrics", "test_top5", 1.0, None),
        ("metrics", "test_loss", 0.0, "test_loss is 0.0, measured"),
        ("metrics", "active", 7, "active is 7, counted"),
        ("metrics", "nonzero", 7, "nonzero is 7, counted"),
        ("metrics", "maskable", 7, "maskable is 7, counted"),
        ("metrics", "sparsity", 0.99, "sparsity is 0.99, counted"),
        ("metrics", "layer_density", {}, "layer_density is {}, counted"),
        ("config", "fixed_flops", 7, "config.fixed_flops is 7, counted"),
        ("config", "train_samples", 7, "config.train_samples is 7, counted"),
        ("config", "layers", [], "config.layers is [], counted"),
    ],
)
def test_a_lie_is_found(case, where, name, lie, reason):
    truth = case["record"][where][name]
    case["record"][where][name] = lie
    problems = claims(case)
    if truth == lie:
        return
    assert any(reason in problem for problem in problems) if reason else problems


def _swapped(text, pairs):
    """Turn as many right images wrong as wrong ones right."""
    right = np.unpackbits(np.frombuffer(bits.unpack(text, TESTS), dtype=np.uint8), count=TESTS).astype(bool)
    flipped = [*np.flatnonzero(right)[:pairs], *np.flatnonzero(~right)[:pairs]]
    right[flipped] = ~right[flipped]
    return bits.pack(right)


def test_images_that_were_classified_otherwise_are_found_unless_they_are_one_pair(case):
    truth = case["record"]["metrics"]["test_right"]
    for pairs, found in ((1, False), (2, True)):
        case["record"]["metrics"]["test_right"] = _swapped(truth, pairs)
        lines = claims(case)
        assert any("samples were classified otherwise than it says" in line for line in lines) is found
    for lie in (None, "x", bits.pack(np.ones(TESTS + 8, bool))):
        case["record"]["metrics"]["test_right"] = lie
        assert any(line.startswith("test_right") for line in claims(case))


def test_a_trial_is_left_without_a_score_and_the_referee_measures_none(case):
    case["request"]["config"]["test"] = case["record"]["config"]["test"] = False
    assert any(line.startswith("test_accuracy is 0.") for line in claims(case))
    case["record"]["metrics"].update(test_accuracy=None, test_top5=None, test_loss=None, test_right=None)
    del case["record"]["reliability"]
    assert claims(case) == []


def test_the_referee_measures_no_reliability_of_outputs_that_are_no_probabilities(case):
    for each in ("request", "record"):
        case[each]["config"]["recipe"]["loss"] = "squared_error"
    assert claims(case) == ["reliability is missing, or was measured on no sample"]
    del case["record"]["reliability"]
    assert claims(case) == []


def test_masks_that_break_the_pattern_of_the_request_are_found(case):
    pattern = {"kind": "fan_in"}
    case["request"]["config"]["pattern"] = case["record"]["config"]["pattern"] = pattern
    assert any("break the fan_in pattern" in line for line in claims(case))


def test_a_clock_that_was_turned_back_is_found(case):
    found = case["find"]()
    assert claim_problems(case["record"], found, TESTS, elapsed=36000.0)[0].endswith("36000 by the harness's")


def test_flops_that_the_topology_does_not_give_are_found(case):
    case["record"]["cost"]["train_flops"] -= 1
    assert any("train_flops" in problem for problem in claims(case))


def test_masks_other_than_the_last_of_the_ledger_are_found(case):
    case["record"]["topology"][-1]["active"][0] -= 1
    assert any("the last topology entry" in problem for problem in claims(case))


def test_a_weight_outside_its_mask_is_found(case):
    name = next(name for name, mask in case["left"].masks.items() if not mask.all())
    case["left"].state[name].fill_(0.5)
    assert any("outside the masks are not zero" in problem for problem in claims(case))


def test_masks_that_keep_more_than_was_requested_are_found(case):
    for mask in case["left"].masks.values():
        mask.fill_(True)
    found = case["find"]()
    case["record"]["metrics"].update(active=sum(found["active"]))
    assert any("weights at the end, the target is 9" in problem for problem in claims(case))


@pytest.mark.parametrize(
    "crime",
    [
        lambda left: left.masks.popitem(),
        lambda left: left.masks.update({next(iter(left.masks)): torch.ones(1, dtype=torch.bool)}),
        lambda left: left.masks.update({next(iter(left.masks)): torch.ones(1)}),
    ],
)
def test_masks_that_do_not_fit_the_model_are_refused(case, crime):
    crime(case["left"])
    with pytest.raises(ValueError, match="mask"):
        case["find"]()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record.update(key="0" * 16), "key is '0000000000000000'"),
        (lambda record: record.update(sparsity=0.99), "sparsity is 0.99"),
        (lambda record: record.update(runner="local"), "runner is 'local'"),
        (lambda record: record["budget"].update(amount=9), "budget is"),
        (lambda record: record["config"]["recipe"].update(lr=9), "config.recipe is"),
        (lambda record: record["config"].update(more=1), "config.more was not requested"),
    ],
)
def test_the_record_of_another_run_is_found(case, change, reason):
    change(case["record"])
    assert any(reason in problem for problem in identity_problems(case["record"], case["request"]))


def test_the_referee_imports_no_method(case, tmp_path):
    request = tmp_path / "request.json"
    request.write_text(json.dumps(case["request"]))
    network.write(case["left"], tmp_path / network.FINAL)
    code = (
        "import sys; from harness.audit import referee; referee.main();"
        "print([m for m in sys.modules if m in ('methods.rigl', 'methods.granet', 'methods.gmp')])"
    )
    command = [sys.executable, "-c", code, str(request), str(tmp_path / network.FINAL)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout.splitlines()
    assert lines[-1] == "[]"
    assert json.loads(lines[-2].removeprefix(MARK)) == case["find"]()


@pytest.mark.parametrize("what", ["missing", "link", "pipe", "folder", "large"])
def test_only_plain_files_of_a_sane_size_are_opened(tmp_path, what):
    path = tmp_path / "record.json"
    if what == "link":
        (tmp_path / "secret").write_text("{}")
        path.symlink_to(tmp_path / "secret")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "large":
        path.write_bytes(bytes(11))
    with pytest.raises(UntrustedFileError, match=r"record\.json"):
        open_plain(path, largest=10)
