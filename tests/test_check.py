"""The checker: what it passes, and every kind of forged or broken record that it refuses, with the reason."""

import copy
import json
import random

import pytest
from records import GPU, METHODS, make, resealed

from harness.audit import counts, recount
from harness.audit.submission import check
from harness.records import load_files, record_name
from harness.records.record import text
from harness.records.validate import validate


def triple(method="granet", sparsity=0.9, **kind):
    return [resealed(make(method, sparsity, seed, **kind)) for seed in (0, 1, 2)]


def refusals(folder, records, index=0):
    """Write records as they are, valid or not, and check one of them."""
    for each in records:
        (folder / record_name(each)).write_text(text(each))
    found, _ = load_files(folder)
    return check(folder / record_name(records[index]), found)


@pytest.mark.parametrize("method", METHODS)
def test_an_honest_record_of_every_method_passes(tmp_path, method):
    assert refusals(tmp_path, triple(method, 0.0 if method == "dense" else 0.9)) == []


@pytest.mark.parametrize("budget", [("epochs", 10, 1), ("steps", 100, 1), ("epochs", 3, 5)])
@pytest.mark.parametrize("runner", ["docker", "local"])
def test_an_honest_record_under_other_budgets_and_runners_passes(tmp_path, budget, runner):
    assert refusals(tmp_path, triple(budget=budget, runner=runner)) == []


def test_an_honest_record_of_a_gpu_passes(tmp_path):
    assert refusals(tmp_path, triple(gpu=GPU, runner="docker")) == []


@pytest.mark.parametrize("status", ["diverged", "timeout", "failed"])
def test_a_failure_passes_if_it_says_why(tmp_path, status):
    records = [*triple()[:2], resealed(make("granet", 0.9, 2, status=status))]
    assert refusals(tmp_path, records, index=2) == []
    records[2]["reason"] = None
    assert refusals(tmp_path, records, index=2) == [f"reason: a run that is {status} says why"]


def test_seeds_that_failed_count_as_shown(tmp_path):
    records = [*triple()[:2], resealed(make("granet", 0.9, 2, status="diverged"))]
    assert refusals(tmp_path, records) == []


def _set(*path_and_value):
    *path, last, value = path_and_value

    def forge(record):
        inner = record
        for name in path:
            inner = inner[name]
        inner[last] = value(inner[last]) if callable(value) else value

    return forge


def _less_training(record):
    record["topology"][1]["active"] = [count // 2 for count in record["topology"][1]["active"]]


def _one_layer_denser(record):
    ending = record["topology"][-1]["active"]
    ending[0], ending[1] = ending[0] + 30, ending[1] - 30


def _event_at_the_end(record):
    record["topology"].append({**record["topology"][-1], "step": record["cost"]["steps"]})


def _flatter(record):
    record["curve"][3]["density"] = 0.5


def _no_dense_gradients(record):
    for entry in record["topology"]:
        entry["dense_gradient"] = False


def _cheaper_layers(record):
    record["config"]["layers"][1]["uses"] = 8


def _another_size(record):
    record["config"]["layers"][0]["shape"] = [16, 3, 3, 3]


def _higher_in_all(record):
    for name in ("test_accuracy", "test_top5"):
        record["metrics"][name] = 1.0
    record["metrics"]["val_accuracy"] = record["curve"][-1]["val_accuracy"] = 0.6


FORGERIES = {
    "a status that does not exist": (_set("status", "great"), "schema: status: 'great' is not one of"),
    "a key left out": (lambda record: record["cost"].pop("energy_joules"), "schema: cost: 'energy_joules' is"),
    "a key of another run": (_set("key", "0123456789abcdef"), "key: 0123456789abcdef but config and provenance give"),
    "a learning rate changed after the run": (_set("config", "recipe", "lr", 0.2), "key: "),
    "rules that do not compare": (_set("config", "rules", "2.0"), "rules: made under 2.0, which does not compare"),
    "a seed changed after the run": (_set("seed", 9), "seed: 9 but the config has 0"),
    "another method's name": (_set("method", "rigl"), "method: 'rigl' but the config has 'granet'"),
    "another budget in its head": (_set("budget", "amount", 5), "budget: {'kind': 'epochs', 'amount': 5"),
    "an accuracy that no count of answers gives": (
        _set("metrics", "test_accuracy", 0.97531), "test_accuracy: 0.97531 is no share of 1000 examples"),
    "an accuracy above its own curve": (_higher_in_all, "test_accuracy: 1.0000 is implausible after a curve"),
    "a loss too small for its errors": (_set("metrics", "test_loss", 0.0001), "test_loss: 0.0001, but accuracy"),
    "top-5 below top-1": (_set("metrics", "test_top5", 0.5), "test_top5: less than top-1"),
    "fewer FLOPs than its topology costs": (
        _set("cost", "train_flops", lambda flops: flops - 1), "train_flops: "),
    "a smaller multiple of dense": (_set("cost", "train_flops_ratio", 0.1), "train_flops_ratio: 0.1 but"),
    "a cheaper inference": (_set("cost", "inference_flops", 1), "inference_flops: 1 but"),
    "a dearer dense model": (_set("cost", "dense_forward_flops", 10**9), "dense_forward_flops: 1000000000 but"),
    "a topology edited to be cheaper": (_less_training, "train_flops: "),
    "dense gradients not charged": (_no_dense_gradients, "train_flops: "),
    "layers that cost less": (_cheaper_layers, "train_flops: "),
    "layers of another size": (_another_size, "layers: the weights of a layer are the product of its shape"),
    "a sparsity it did not reach": (_set("sparsity", 0.95), "where 302 were asked for"),
    "a sparsity that is not its weights'": (_set("metrics", "sparsity", 0.95), "sparsity: 0.95 but 1 - active"),
    "more non-zero than active weights": (_set("metrics", "nonzero", 4000), "nonzero: 4000, more than"),
    "other active weights than its masks": (_set("metrics", "active", 600), "active: 600 but the topology ends"),
    "fewer maskable weights": (_set("metrics", "maskable", 600), "maskable: 600 but the layers have 6032"),
    "layer densities not of its masks": (_one_layer_denser, "layer_density: "),
    "an exploration rate below what was active": (
        _set("metrics", "exploration_rate", 0.01), "exploration_rate: 0.01, less than the share"),
    "an event that nothing trains": (_event_at_the_end, "nothing would train what it grew"),
    "densities along the curve that were not": (_flatter, "curve: density 0.5 at step"),
    "a curve cut short": (lambda record: record["curve"].pop(), "curve: it ends at progress"),
    "a last validation that is not the curve's": (
        _set("metrics", "val_accuracy", 1.0), "val_accuracy: 1.0, the curve ends otherwise"),
    "more steps than the budget": (_set("cost", "steps", 200), "steps: 200 where the budget is 160"),
    "other images than its steps take": (_set("cost", "samples", 9000), "samples: 9000 but topology and config give"),
    "an unknown commit": (_set("provenance", "git_commit", None), "git_commit: None is no commit"),
    "a changed working tree": (_set("provenance", "git_dirty", True), "git_dirty: the source was"),
    "an image it has not": (_set("provenance", "image_id", "latest"), "image_id: 'latest' is no image"),
    "data of no fingerprint": (_set("provenance", "data_sha256", None), "data_sha256: None is no fingerprint"),
    "hardware that is not told": (_set("provenance", "cpu", None), "cpu: what the run was made on is not known"),
    "CUDA without a GPU": (_set("config", "device", "cuda"), "gpu: what the run was made on is not known"),
    "an end before its start": (_set("provenance", "finished", "2026-11-01T00:00:00Z"), "finished: before it started"),
    "an end that is yet to come": (_set("provenance", "finished", "2199-01-01T00:00:00Z"), "finished: lies in"),
    "more time than there was": (_set("cost", "seconds", "total", 9999.0), "longer than from started to finished"),
    "parts longer than the whole": (_set("cost", "seconds", "train", 40.0), "less than its parts take"),
    "a speed that no machine has": (_set("cost", "seconds", "train", 1e-7), "faster than any hardware"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_record_is_refused_with_the_reason(tmp_path, kind):
    forge, reason = FORGERIES[kind]
    records = triple(runner="docker")
    assert validate(records[0]) == []
    forge(records[0])
    found = refusals(tmp_path, records)
    assert any(reason in line for line in found), found


@pytest.mark.parametrize("kind", ["layers that cost less", "a learning rate changed after the run"])
def test_a_forger_who_recomputes_the_key_is_caught_where_the_ledger_knows(tmp_path, kind):
    records = triple()
    FORGERIES[kind][0](records[0])
    found = refusals(tmp_path, [resealed(records[0]), *records[1:]])
    if kind == "layers that cost less":
        assert any(line.startswith("train_flops") for line in found)
    else:  # it has become a record of another task, that stands there with one seed
        assert found == ["seeds: 0 only; a submission has at least 3, those that failed included"]


def test_what_is_no_record_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"schema": 1')
    assert check(tmp_path / "a.json", {})[0].startswith("schema: not valid JSON")
    assert check(tmp_path / "b.json", {}) == ["unreadable: No such file or directory"]


def test_a_single_seed_is_no_submission(tmp_path):
    assert refusals(tmp_path, triple()[:1]) == [
        "seeds: 0 only; a submission has at least 3, those that failed included"
    ]


def test_a_copy_of_a_record_is_refused(tmp_path):
    records = triple()
    copied = tmp_path / "copy.json"
    copied.write_text(text(records[0]))
    found = refusals(tmp_path, records)
    assert found == [f"key: another record has the key {records[0]['key']}; a run has one result"]
    assert any(line.startswith("file: copy.json should be named") for line in check(copied, load_files(tmp_path)[0]))


def test_a_config_without_its_parts_is_refused_not_a_crash(tmp_path):
    for part in ("layers", "fixed_flops", "dataset", "recipe", "budget"):
        records = triple()
        del records[0]["config"][part]
        assert refusals(tmp_path, records), part


def test_no_change_of_one_value_makes_the_checker_crash(tmp_path):
    """Whatever a stranger hands in, the answer is a list of reasons."""
    original = triple(runner="docker")[0]
    draw = random.Random(5)

    def places(value, prefix=()):
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, part in items:
            yield (*prefix, key)
            yield from places(part, (*prefix, key))

    everywhere = list(places(original))
    for _ in range(400):
        changed = copy.deepcopy(original)
        place = draw.choice(everywhere)
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = draw.choice([None, 0, -1, 1.5, "x", [], {}, 10**30, True])
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(changed))
        assert isinstance(check(path, {}), list)


@pytest.mark.parametrize("amount", [0.25, 0.5])
def test_a_flops_budget_may_be_passed_by_one_step_only(amount):
    record = make("static", 0.9, 0)
    truth = recount.recount(record)
    record["config"]["budget"] = {"kind": "flops", "amount": truth.train_flops / truth.reference_flops, "stretch": 1}
    assert [line for line in counts.refusals(record) if line.startswith("budget")] == []
    record["config"]["budget"]["amount"] *= amount
    assert [line for line in counts.refusals(record) if line.startswith("budget")]


def test_a_seconds_budget_is_held_against_the_time_of_training():
    record = make("static", 0.9, 0)
    spent = record["cost"]["seconds"]["train"] + record["cost"]["seconds"]["topology"]
    for amount, refused in ((spent, False), (spent - 0.5, False), (spent - 5, True), (spent + 5, True)):
        record["config"]["budget"] = {"kind": "seconds", "amount": amount, "stretch": 1}
        found = [line for line in counts.refusals(record) if line.startswith("budget")]
        assert bool(found) == refused, (amount, found)
