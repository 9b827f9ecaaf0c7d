"""Whoever changes results is told to raise the results version: golden runs, and that they notice small mistakes."""

import copy

import golden_runs
import pytest
from golden_cases import cases
from golden_runs import CHANGED

from harness.records import identity
from harness.records.changes import Change
from methods import Masks

CASES = cases()


def changes(name, **recipe):
    """Return what is said of a golden run that differs from its file; ``recipe`` changes its settings."""
    golden = golden_runs.read(name)
    config = copy.deepcopy(golden["config"])
    config["recipe"].update(recipe)
    return golden_runs.differences(golden["outcome"], golden_runs.outcome(config))


@pytest.mark.parametrize("name", CASES)
def test_a_golden_run_still_has_its_results(name):
    golden = golden_runs.read(name)
    found = golden_runs.differences(golden["outcome"], golden_runs.outcome(golden["config"]))
    if found:
        pytest.fail(golden_runs.complaint(name, found), pytrace=False)


def test_every_built_in_method_and_model_has_a_golden_run():
    missing = "python tests/golden_runs.py writes those that are missing"
    assert {file.stem for file in golden_runs.FOLDER.glob("*.json")} == set(CASES), missing
    models = golden_runs.read("initial_weights")["config"]["models"]
    assert set(models) == set(CASES["initial_weights"]["models"]), missing


@pytest.mark.parametrize("name", CASES)
def test_the_history_of_results_says_of_every_golden_run_that_changed_that_it_did(name):
    golden = golden_runs.read(name)
    assert int(golden["results"]) <= int(golden_runs.results_version(golden["config"]))


def test_the_results_version_is_that_of_the_last_change():
    assert identity.HISTORY[-1].version == identity.RESULTS


def test_pruning_to_one_weight_fewer_is_noticed(monkeypatch):
    prune = Masks.prune_globally
    monkeypatch.setattr(Masks, "prune_globally", lambda masks, count: prune(masks, count - 1))
    found = changes("gmp")
    assert any(line.startswith("masks.") for line in found)
    said = golden_runs.complaint("gmp", found)
    assert said.startswith(f"gmp: {CHANGED}\n")
    assert "results changed: raise the results version (harness/records/identity.py RESULTS)" in said


def test_exchanging_one_weight_fewer_in_each_layer_is_noticed(monkeypatch):
    exchange = Masks.drop_and_grow
    fewer = lambda masks, exchanged, growth: exchange(masks, [max(k - 1, 0) for k in exchanged], growth)  # noqa: E731
    monkeypatch.setattr(Masks, "drop_and_grow", fewer)
    for name in ("rigl", "set", "granet"):
        assert any(line.startswith("masks.") for line in changes(name))


def test_a_learning_rate_that_is_off_by_a_millionth_is_noticed_in_the_weights():
    rate = golden_runs.read("static")["config"]["recipe"]["lr"]
    found = changes("static", lr=rate * (1 + 1e-6))
    assert any(line.startswith("values.features.0.0.weight.") for line in found)
    assert not any(line.startswith("masks.") for line in found)


def test_momentum_that_pruned_weights_keep_is_noticed(monkeypatch):
    monkeypatch.setattr(Masks, "attach", lambda masks, optimizer: None)
    for name in ("gmp", "set", "mlp_adamw_smoothing"):
        assert any(line.startswith("values.") for line in changes(name))


def test_gradients_that_are_not_masked_are_noticed(monkeypatch):
    monkeypatch.setattr(Masks, "mask_gradients", lambda masks: None)
    assert any(line.startswith("values.") for line in changes("static"))


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A copy of one golden run, in which pruning keeps a weight fewer than its file says."""
    file = golden_runs.path("flops_gmp")
    (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(golden_runs, "FOLDER", tmp_path)
    prune = Masks.prune_globally
    monkeypatch.setattr(Masks, "prune_globally", lambda masks, count: prune(masks, count - 1))
    return tmp_path


def test_other_results_are_not_written_under_the_same_version(folder):
    before = golden_runs.path("flops_gmp").read_bytes()
    with pytest.raises(SystemExit, match="results changed: raise the results version"):
        golden_runs.main(["flops_gmp"])
    assert golden_runs.path("flops_gmp").read_bytes() == before


def test_other_results_are_written_once_the_history_says_so(folder, monkeypatch, capsys):
    change = Change("99", "pruning keeps a weight fewer", lambda settings: True)
    monkeypatch.setattr(identity, "HISTORY", (*identity.HISTORY, change))
    golden_runs.main(["flops_gmp"])
    golden_runs.main(["flops_gmp"])
    assert capsys.readouterr().out == "flops_gmp: written\nflops_gmp: unchanged\n"
    assert golden_runs.read("flops_gmp")["results"] == "99"
